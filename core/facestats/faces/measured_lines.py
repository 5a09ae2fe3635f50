"""Which lines on a face illustrate each metric, for the overlay picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from facestats.geometry.anatomy import (
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


Side = Literal["left", "right"]


@dataclass(frozen=True)
class MeasuredLine:
    """A straight line of a measurement.

    Attributes:
        start: First point.
        end: Second point.
        lane: For heights: where to draw the dimension line, in face widths to the right of the midline, so that
            heights do not hide each other. None draws it between the points.
        lowered: For widths: how far below the points to draw the dimension line, in face widths.
    """

    start: Point
    end: Point
    lane: float | None = None
    lowered: float = 0.0


@dataclass(frozen=True)
class Drawing:
    """How a metric is shown.

    Attributes:
        side: Column of the picture that its label stands in.
        lines: Its lines; the label points to the end of them that is nearest to its column.
    """

    side: Side
    lines: tuple[MeasuredLine, ...] = ()


_RIGHT_EYE = (EXOCANTHION[0], ENDOCANTHION[0])
_LEFT_EYE = (EXOCANTHION[1], ENDOCANTHION[1])


def _width(pair: tuple[int, int], lowered: float = 0.0) -> MeasuredLine:
    return MeasuredLine((pair[0],), (pair[1],), lowered=lowered)


def _height(upper: int, lower: int, lane: float | None = None) -> MeasuredLine:
    return MeasuredLine((upper,), (lower,), lane)


def _both_sides(first: tuple[int, int], second: tuple[int, int]) -> tuple[MeasuredLine, ...]:
    return tuple(MeasuredLine((start,), (end,)) for start, end in zip(first, second, strict=True))


DRAWINGS: Mapping[str, Drawing] = {
    "asymmetry": Drawing("left", (_height(FOREHEAD_TOP, GNATHION),)),
    "distance_to_mean": Drawing("right"),
    "canthal_tilt": Drawing("left", _both_sides(ENDOCANTHION, EXOCANTHION)),
    "eye_aspect": Drawing("right", tuple(_height(upper, lower) for upper, lower in EYELID_CENTRES)),
    "intercanthal_eye": Drawing("right", (_width(ENDOCANTHION),)),
    "eye_width_face": Drawing("right", (_width(_LEFT_EYE, 0.07),)),
    "eye_spacing": Drawing("left", (MeasuredLine(_RIGHT_EYE, _LEFT_EYE, lowered=0.12),)),
    "fwhr": Drawing("left", (_width(ZYGION), _height(GLABELLA, LABIALE_SUPERIUS, -0.60))),
    "midface_ratio": Drawing("right", (MeasuredLine(_RIGHT_EYE + _LEFT_EYE, (LABIALE_SUPERIUS,), 0.60),)),
    "nose_intercanthal": Drawing("left", (_width(ALARE),)),
    "nasal_index": Drawing("right", (_height(NASION, SUBNASALE),)),
    "nose_length_face": Drawing("right", (_height(NASION, SUBNASALE, 0.67),)),
    "mouth_nose": Drawing("left", (_width(CHEILION),)),
    "lip_ratio": Drawing("right", (_height(LABIALE_SUPERIUS, STOMION_UPPER), _height(STOMION_LOWER, LABIALE_INFERIUS))),
    "lip_fullness": Drawing("right", (_height(LABIALE_SUPERIUS, LABIALE_INFERIUS, 0.28),)),
    "philtrum_chin": Drawing("right", (_height(SUBNASALE, LABIALE_SUPERIUS), _height(LABIALE_INFERIUS, GNATHION))),
    "jaw_angle": Drawing("right", _both_sides(CHIN_CONTOUR, GONION)),
    "chin_width": Drawing("left", (_width(CHIN_CONTOUR),)),
    "bigonial": Drawing("left", (_width(GONION),)),
    "brow_height": Drawing("right", (MeasuredLine(BROWS[0], _RIGHT_EYE), MeasuredLine(BROWS[1], _LEFT_EYE))),
    "brow_tilt": Drawing("left", _both_sides(BROW_INNER, BROW_MIDDLE)),
    "bitemporal": Drawing("left", (_width(FRONTOTEMPORALE),)),
    "upper_third": Drawing("left", (_height(FOREHEAD_TOP, GLABELLA, -0.67),)),
    "facial_index": Drawing("right", (_height(NASION, GNATHION, 0.74),)),
    "thirds_balance": Drawing("left", (_height(GLABELLA, SUBNASALE, -0.74), _height(SUBNASALE, GNATHION, -0.74))),
}
"""Metric name -> its drawing, in the order of drawing: what comes later lies on top."""
