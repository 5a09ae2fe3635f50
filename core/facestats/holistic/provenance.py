"""What is being served: the export's parameters, read from Triton's model configuration."""

from __future__ import annotations

import base64
import functools
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UNKNOWN = "unknown"
"""Said of whatever the served models do not say of themselves."""

UNCALIBRATED = "none"
"""Calibration id of a regressor without one: its SCORE is on no common scale and is not blended."""

NO_SCORE = -1.0
"""Triton's SCORE where there is none: finite, since JSON has no NaN, and off the scale of 0..100."""


@dataclass(frozen=True)
class GoldenCase:
    """An input with the answer the export computed for it.

    Attributes:
        pixels: [224, 224, 3] uint8.
        embedding: [512] float32, L2-normalised.
        score: Calibrated score, 0..100; below 0 (``NO_SCORE``) when uncalibrated.
        raw: The regressor's output in its own unit.
        score_tolerance: Largest allowed difference of ``score``, points.
    """

    pixels: NDArray[np.uint8]
    embedding: NDArray[np.float32]
    score: float
    raw: float
    score_tolerance: float


@dataclass(frozen=True)
class Provenance:
    """What was exported, as the export wrote it into the ensemble's parameters.

    Attributes:
        parameters: Name to value, all strings; empty when nothing is known.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A parameter's value, or ``unknown``: never a guess."""
        return self.parameters.get(name, UNKNOWN)

    @property
    def weights(self) -> str:
        """``trained``, ``untrained`` or ``unknown``."""
        return self.get("weights")

    @property
    def calibrated(self) -> bool:
        """Whether SCORE is a percentile of a reference distribution, so that it may be blended."""
        return self.get("calibration") != UNCALIBRATED

    @functools.cached_property
    def attributes(self) -> Mapping[str, tuple[str, ...]]:
        """The opt-in attribute heads of this export: each one's name and its classes.

        Raises:
            ValueError: What the export wrote is damaged.
        """
        try:
            heads = json.loads(self.parameters.get("attributes", "[]"))
            return {str(head["name"]): tuple(map(str, head["classes"])) for head in heads}
        except (TypeError, KeyError) as error:
            raise ValueError(f"the attribute heads are damaged: {error!r}") from error

    def golden_case(self) -> GoldenCase | None:
        """The export's golden input and answer, or ``None`` when the export stored none."""
        if "golden_pixels" not in self.parameters:
            return None
        with Image.open(io.BytesIO(base64.b64decode(self.parameters["golden_pixels"])), formats=("PNG",)) as image:
            pixels = np.asarray(image.convert("RGB"))
        return GoldenCase(
            pixels=pixels,
            embedding=np.frombuffer(base64.b64decode(self.parameters["golden_embedding"]), dtype="<f4"),
            score=float(self.parameters["golden_score"]),
            raw=float(self.parameters["golden_raw"]),
            score_tolerance=float(self.parameters["golden_score_tolerance"]),
        )
