"""The range in which a score of the same photo, taken or stored again, lies 19 times in 20."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from facestats.scoring.blend import BlendWeights

COVERAGE = 0.95
"""Share of repeated measurements inside an interval."""

_FARTHEST = 0.05
"""Scores nearer to 0 or 100 than this count as this near, points: the logit has no value at the ends."""


@dataclass(frozen=True)
class Interval:
    """A range of scores, 0..100, ``low <= high``."""

    low: float
    high: float


RELIABILITIES = (0.0, 30.0, 60.0, 80.0, 100.0)
"""Reliabilities at which half-widths are stored; in between they are interpolated linearly."""


@dataclass(frozen=True)
class Noise:
    """Half the width of the interval on the logit scale, by the photo's reliability.

    Scores are logistic in what is measured, so on that scale the noise depends on the photo and not on the score.

    Attributes:
        half_widths: At each of ``RELIABILITIES``, log-odds; they never grow with the reliability.
    """

    half_widths: tuple[float, ...]

    def half_width(self, reliability: float) -> float:
        """Half-width on the logit scale for a reliability of 0..100."""
        return float(np.interp(reliability, RELIABILITIES, self.half_widths))

    def around(self, score: float, reliability: float) -> Interval:
        """The interval of a score (0..100) of a photo with a reliability (0..100)."""
        middle, half = logit(score), self.half_width(reliability)
        return Interval(min(score, expit(middle - half)), max(score, expit(middle + half)))


@dataclass(frozen=True)
class Repeatability:
    """How well measurements repeat, as ``facestats repeatability`` measured it.

    Attributes:
        geometric: The geometric half's noise by ``capture``, ``sex`` and ``design``, joined by dots.
        holistic: The holistic half's by receipt; a model that was not measured has none.
        source: How it was made: command, photos, date.
    """

    geometric: Mapping[str, Noise]
    holistic: Mapping[str, Noise] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)

    def geometric_interval(
        self, score: float | None, reliability: float, *, capture: str, sex: str, design: str
    ) -> Interval | None:
        """The interval of a geometric score, ``None`` where there is no score.

        Args:
            score: 0..100.
            reliability: 0..100.
            capture: ``stable`` or ``fast``.
            sex: ``pooled``, ``female`` or ``male``.
            design: ``metrics``, ``shape`` or ``mean``.
        """
        noise = self.geometric.get(f"{capture}.{sex}.{design}")
        return None if score is None or noise is None else noise.around(score, reliability)

    def holistic_interval(self, score: float | None, reliability: float, receipt: str) -> Interval | None:
        """The interval of a holistic score; ``None`` where there is no score, or the model was not measured."""
        noise = self.holistic.get(receipt)
        return None if score is None or noise is None else noise.around(score, reliability)


def blended_interval(
    score: float | None,
    geometric: tuple[float, Interval] | None,
    holistic: tuple[float, Interval] | None,
    weights: BlendWeights,
) -> Interval | None:
    """The interval of the blend of two halves whose errors are independent.

    Args:
        score: The blend, 0..100.
        geometric: The half's score and its interval.
        holistic: Likewise.
        weights: Shares of the halves.

    Returns:
        ``None`` where a half's interval is missing.
    """
    if score is None or geometric is None or holistic is None:
        return None
    parts = ((weights.geometric, *geometric), (weights.holistic, *holistic))
    below = math.hypot(*(share * (value - interval.low) for share, value, interval in parts))
    above = math.hypot(*(share * (interval.high - value) for share, value, interval in parts))
    return Interval(max(0.0, score - below), min(100.0, score + above))


def logit(score: float) -> float:
    """Log-odds of a score of 0..100; scores at the ends count as 0.05 from them."""
    share = min(max(score, _FARTHEST), 100.0 - _FARTHEST) / 100.0
    return math.log(share / (1.0 - share))


def expit(value: float) -> float:
    """The score, 0..100, with these log-odds."""
    return 50.0 * (1.0 + math.tanh(value / 2.0))


@cache
def load_repeatability(path: str = "") -> Repeatability:
    """Reads what ``facestats repeatability`` wrote.

    Args:
        path: The file; empty for the one that ships with the product.

    Raises:
        ValueError: The file is not such a document.
        OSError: It cannot be read.
    """
    file = Path(path) if path else files("facestats.scoring").joinpath("repeatability.json")
    try:
        document = json.loads(file.read_text("utf-8"))
        geometric, holistic = (
            {name: _noise(half_widths) for name, half_widths in document[half].items()}
            for half in ("geometric", "holistic")
        )
        return Repeatability(geometric, holistic, document["source"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"'{path}' is no document of `facestats repeatability`: {error!r}.") from error


def _noise(half_widths: list[float]) -> Noise:
    if len(half_widths) != len(RELIABILITIES) or not all(math.isfinite(width) and width >= 0 for width in half_widths):
        raise ValueError(f"{half_widths} are not {len(RELIABILITIES)} half-widths")
    return Noise(tuple(map(float, half_widths)))
