"""How well scores repeat: portraits measured again and again under small changes, and the intervals that follow.

What is fitted is the 95 % quantile of the change on the logit scale, piecewise linear and never rising in the
reliability of the unchanged photo (quantile regression, Koenker & Bassett 1978).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse
from scipy.optimize import linprog

from facestats.scoring.interval import COVERAGE, RELIABILITIES, Noise, logit
from facestats_evaluation.augmentation import FITTED, HELD_OUT, SMALL_FACES, Photo, scaled


@dataclass(frozen=True)
class Look:
    """One measurement of a photo.

    Attributes:
        scores: By kind of score (``stable.pooled.metrics``, or a receipt), 0..100; a missing score is absent.
        reliability: 0..100.
        face_width: Pixels.
    """

    scores: Mapping[str, float]
    reliability: float
    face_width: float


@dataclass(frozen=True)
class Change:
    """The same photo measured twice.

    Attributes:
        kind: Kind of score.
        change: Name of what was done to the photo.
        reliability: Of the unchanged photo, 0..100.
        logits: Difference of the scores on the logit scale.
        points: The same in points.
    """

    kind: str
    change: str
    reliability: float
    logits: float
    points: float


Measure = Callable[[Photo], Look | None]
"""Measures a photo; ``None`` where no face is found."""


def changes(photos: Iterable[Photo], measure: Measure) -> Iterator[Change]:
    """Measures every photo, at its own size and with its face shrunk, unchanged and under every change."""
    for rgb in photos:
        first = measure(rgb)
        if first is None:
            continue
        sizes = [width / first.face_width for width in SMALL_FACES if width < first.face_width / 1.5]
        for base in [rgb, *(scaled(rgb, size) for size in sizes)]:
            yield from _changes_of(base, measure)


def _changes_of(base: Photo, measure: Measure) -> Iterator[Change]:
    unchanged = measure(base)
    if unchanged is None:
        return
    for name, change in (FITTED | HELD_OUT).items():
        changed = measure(change(base))
        if changed is None:
            continue
        for kind in unchanged.scores.keys() & changed.scores.keys():
            before, after = unchanged.scores[kind], changed.scores[kind]
            yield Change(kind, name, unchanged.reliability, logit(after) - logit(before), after - before)


def fit_noise(seen: Sequence[Change]) -> Noise:
    """The broken line under which ``COVERAGE`` of the changes lie.

    Args:
        seen: Changes of one kind.

    Raises:
        ValueError: There are fewer than 20.
    """
    if len(seen) < 20:
        raise ValueError(f"{len(seen)} repeated measurements are too few for an interval; 20 are needed.")
    size = np.abs([change.logits for change in seen])
    count, knots = len(seen), len(RELIABILITIES)
    hats = np.column_stack(
        [np.interp([change.reliability for change in seen], RELIABILITIES, knot) for knot in np.eye(knots)]
    )
    # The unknowns are what each knot adds to the one above it, so that none may be negative.
    steps = hats @ np.triu(np.ones((knots, knots)))
    # Minimise the sum of COVERAGE * above + (1 - COVERAGE) * below, with line + above - below = size.
    cost = np.concatenate([np.zeros(knots), np.full(count, COVERAGE), np.full(count, 1.0 - COVERAGE)])
    equations = sparse.hstack([steps, sparse.eye(count), -sparse.eye(count)], format="csr")
    found = linprog(cost, A_eq=equations, b_eq=size, bounds=(0, None), method="highs")
    return Noise(tuple(np.cumsum(found.x[:knots][::-1])[::-1].tolist()))


def coverage(seen: Sequence[Change], noise: Noise) -> float:
    """Share of the changes that lie inside the interval, 0..1; NaN without any."""
    inside = [abs(change.logits) <= noise.half_width(change.reliability) for change in seen]
    return float(np.mean(inside)) if inside else float("nan")


def summarise(seen: Sequence[Change]) -> tuple[dict[str, list[float]], dict[str, dict[str, float]]]:
    """Fits every kind on the changes of ``FITTED`` and judges it on those of ``HELD_OUT``.

    Returns:
        Kind to half-widths at ``RELIABILITIES``, and kind to its figures: number of repeated
        measurements, coverage on both parts, mean and 95 % quantile of the change in points.
    """
    noises: dict[str, list[float]] = {}
    figures: dict[str, dict[str, float]] = {}
    for kind in sorted({change.kind for change in seen}):
        fitted = [change for change in seen if change.kind == kind and change.change in FITTED]
        held_out = [change for change in seen if change.kind == kind and change.change in HELD_OUT]
        noise = fit_noise(fitted)
        points = np.abs([change.points for change in fitted + held_out])
        noises[kind] = [round(width, 4) for width in noise.half_widths]
        figures[kind] = {
            "measurements": len(points),
            "coverage_fitted": round(coverage(fitted, noise), 4),
            "coverage_held_out": round(coverage(held_out, noise), 4),
            "mean_points": round(float(points.mean()), 2),
            "p95_points": round(float(np.percentile(points, 95)), 2),
        }
    return noises, figures


def encoded(rgb: NDArray[np.uint8]) -> bytes:
    """A photo as a PNG, which changes no pixel."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def document(
    geometric: tuple[dict[str, list[float]], dict[str, dict[str, float]]],
    holistic: tuple[dict[str, list[float]], dict[str, dict[str, float]]] | None,
    source: Mapping[str, Any],
) -> dict[str, Any]:
    """What is stored: the half-widths by kind, and where they come from with their figures."""
    figures = geometric[1] | (holistic[1] if holistic else {})
    return {
        "geometric": geometric[0],
        "holistic": holistic[0] if holistic else {},
        "source": {**source, "coverage": COVERAGE, "figures": figures},
    }
