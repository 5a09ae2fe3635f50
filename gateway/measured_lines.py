"""Which lines on a face illustrate each metric, for the overlay picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.geometry.anatomy import (
    ALARE,
    BROW_INNER,
    BROW_MIDDLE,
    BROWS,
    CHEILION,
    CHIN_CONTOUR,
    ENDOCANTHION,
    EXOCANTHION,
    EYELID_CENTRES,
    FOREHEAD_TOP,
    FRONTOTEMPORALE,
    GLABELLA,
    GNATHION,
    GONION,
    LABIALE_INFERIUS,
    LABIALE_SUPERIUS,
    NASION,
    STOMION_LOWER,
    STOMION_UPPER,
    SUBNASALE,
    ZYGION,
)

Point = tuple[int, ...]
"""A point of the face: the mean of these landmarks."""


@dataclass(frozen=True)
class MeasuredLine:
    """A straight line of a measurement.

    Attributes:
        start: First point.
        end: Second point.
        lane: For heights: where to draw the dimension line, in face widths to the right of the midline, so that
            heights do not hide each other. None draws it between the points.
    """

    start: Point
    end: Point
    lane: float | None = None


_RIGHT_EYE = (EXOCANTHION[0], ENDOCANTHION[0])
_LEFT_EYE = (EXOCANTHION[1], ENDOCANTHION[1])


def _pair(pair: tuple[int, int]) -> tuple[MeasuredLine, ...]:
    return (MeasuredLine((pair[0],), (pair[1],)),)


def _both_sides(first: tuple[int, int], second: tuple[int, int]) -> tuple[MeasuredLine, ...]:
    return tuple(MeasuredLine((start,), (end,)) for start, end in zip(first, second, strict=True))


def _height(upper: int, lower: int, lane: float | None) -> MeasuredLine:
    return MeasuredLine((upper,), (lower,), lane)


MEASURED_LINES: Mapping[str, tuple[MeasuredLine, ...]] = {
    "canthal_tilt": _both_sides(ENDOCANTHION, EXOCANTHION),
    "eye_aspect": tuple(MeasuredLine((upper,), (lower,)) for upper, lower in EYELID_CENTRES),
    "intercanthal_eye": _pair(ENDOCANTHION),
    "eye_width_face": _pair(_LEFT_EYE),
    "eye_spacing": (MeasuredLine(_RIGHT_EYE, _LEFT_EYE),),
    "fwhr": (*_pair(ZYGION), _height(GLABELLA, LABIALE_SUPERIUS, -0.62)),
    "midface_ratio": (MeasuredLine(_RIGHT_EYE + _LEFT_EYE, (LABIALE_SUPERIUS,), 0.62),),
    "nose_intercanthal": _pair(ALARE),
    "nasal_index": (_height(NASION, SUBNASALE, None),),
    "nose_length_face": (_height(NASION, SUBNASALE, 0.70),),
    "mouth_nose": _pair(CHEILION),
    "lip_ratio": (
        _height(LABIALE_SUPERIUS, STOMION_UPPER, None),
        _height(STOMION_LOWER, LABIALE_INFERIUS, None),
    ),
    "lip_fullness": (_height(LABIALE_SUPERIUS, LABIALE_INFERIUS, 0.30),),
    "philtrum_chin": (
        _height(SUBNASALE, LABIALE_SUPERIUS, None),
        _height(LABIALE_INFERIUS, GNATHION, None),
    ),
    "jaw_angle": _both_sides(CHIN_CONTOUR, GONION),
    "chin_width": _pair(CHIN_CONTOUR),
    "bigonial": _pair(GONION),
    "brow_height": (MeasuredLine(BROWS[0], _RIGHT_EYE), MeasuredLine(BROWS[1], _LEFT_EYE)),
    "brow_tilt": _both_sides(BROW_INNER, BROW_MIDDLE),
    "bitemporal": _pair(FRONTOTEMPORALE),
    "upper_third": (_height(FOREHEAD_TOP, GLABELLA, -0.70),),
    "facial_index": (_height(NASION, GNATHION, 0.78),),
    "thirds_balance": (_height(GLABELLA, SUBNASALE, -0.78), _height(SUBNASALE, GNATHION, -0.78)),
    "asymmetry": (_height(FOREHEAD_TOP, GNATHION, None),),
    "distance_to_mean": (),
}
"""Metric name -> its lines; the last line's end nearer to the label is where the label points."""
