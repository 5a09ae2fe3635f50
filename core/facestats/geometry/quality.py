"""How far a photo supports its measurements, and what the person in front of the camera can do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facestats.geometry.anatomy import SHAPE_LANDMARKS, ZYGION
from facestats.geometry.canonical import CanonicalFace, GeometryError
from facestats.geometry.capture import Capture

Level = Literal["good", "fair", "poor"]
Factor = Literal["pose", "size", "mouth", "fit", "framing"]

_WORTH_A_WARNING = 0.8
"""A factor below this costs a fifth of the reliability or more."""

_FACTOR_NAMES: Mapping[Factor, str] = {
    "pose": "the head is turned or tilted too far",
    "size": "the face is too small",
    "mouth": "the mouth is open",
    "fit": "the landmarks do not fit the shape of a face",
    "framing": "part of the face lies outside the picture",
}


@dataclass(frozen=True)
class Quality:
    """Reliability of a measurement.

    Attributes:
        reliability: 0..100, 100 times the product of the factors.
        level: ``good`` from 60, ``fair`` from 30, else ``poor``: the photo does not support a score.
        warnings: What to change, one sentence each, most important first.
        factors: pose, size, mouth, fit and framing, each 0..1.
        limiting: The smallest factor.
        face_width: 3-D distance of the zygia in the photo, pixels.
    """

    reliability: float
    level: Level
    warnings: tuple[str, ...]
    factors: Mapping[Factor, float]
    limiting: Factor
    face_width: float


def assess(face: CanonicalFace, capture: Capture, blamed: Collection[Factor]) -> Quality:
    """Rates how far the photo supports the measurements.

    Args:
        face: The measured face.
        capture: Its landmarks; those of pass 1 tell its size and framing.
        blamed: Factors that made metrics unsupported; they are warned of whatever their size.

    Raises:
        GeometryError: The face has no width in the photo.
    """
    constants = face.reference.quality
    first = capture.first
    across = (first[ZYGION[1]] - first[ZYGION[0]]) * [capture.photo_width, capture.photo_height, capture.photo_width]
    width = float(np.linalg.norm(across))
    if width == 0:
        raise GeometryError("The landmarks are degenerate: the face has no width.")
    inside = np.logical_and(first[:SHAPE_LANDMARKS, :2] >= 0, first[:SHAPE_LANDMARKS, :2] <= 1).all(1).mean()
    size_range = constants["size_full_px"] - constants["size_zero_px"]
    factors: dict[Factor, float] = {
        "pose": _halving(face.yaw, constants["yaw_half"]) * _halving(face.pitch, constants["pitch_half"]),
        "size": float(np.clip((width - constants["size_zero_px"]) / size_range, 0.0, 1.0)),
        "mouth": _halving(max(0.0, face.mouth_opening - constants["mouth_free"]), constants["mouth_half"]),
        "fit": _halving(max(0.0, face.fit - constants["fit_free"]), constants["fit_half"]),
        "framing": float(inside) ** 2,
    }
    reliability = 100.0 * float(np.prod(list(factors.values())))
    level: Level = (
        "good" if reliability >= constants["good"] else "fair" if reliability >= constants["fair"] else "poor"
    )
    limiting = min(factors, key=factors.__getitem__)
    warnings = _warnings(factors, level, limiting, blamed, _advice(face, width))
    return Quality(reliability, level, warnings, factors, limiting, width)


def _halving(deviation: float, half: float) -> float:
    """1 at no deviation, 0.5 at ``half``."""
    steps = min(abs(deviation) / half, 30.0)
    return float(2.0 ** -(steps**2))


def _warnings(
    factors: Mapping[Factor, float],
    level: Level,
    limiting: Factor,
    blamed: Collection[Factor],
    advice: Mapping[Factor, str],
) -> tuple[str, ...]:
    worst_first = sorted(factors, key=factors.__getitem__)
    named = [factor for factor in worst_first if factors[factor] < _WORTH_A_WARNING or factor in blamed]
    if level != "good" and not named:
        named = [limiting]
    sentences = [advice[factor] for factor in named]
    if level == "poor":
        sentences.insert(0, f"This photo does not support a score: {_FACTOR_NAMES[limiting]}.")
    return tuple(sentences)


def _advice(face: CanonicalFace, width: float) -> Mapping[Factor, str]:
    constants = face.reference.quality
    enough = constants["size_full_px"]
    if abs(face.yaw) / constants["yaw_half"] >= abs(face.pitch) / constants["pitch_half"]:
        side = "left" if face.yaw > 0 else "right"
        pose = f"Turn towards the camera: the face points {abs(face.yaw):.0f} degrees to the {side} of the picture."
    else:
        move, side = ("Lift", "down") if face.pitch > 0 else ("Lower", "up")
        pose = f"{move} your chin and look into the camera: the face points {abs(face.pitch):.0f} degrees {side}."
    return {
        "pose": pose,
        "size": f"Come closer: the face is {width:.0f} pixels wide and should be {enough:.0f} or more.",
        "mouth": "Close your mouth.",
        "fit": "Uncover the face and take the photo straight from the front in even light: the landmarks do not fit.",
        "framing": "Move back or aim anew: part of the face lies outside the picture.",
    }
