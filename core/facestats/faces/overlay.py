"""A picture of a face with its measured lines, each labelled with the metric, its value and its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facestats.faces.measured_lines import DRAWINGS, MeasuredLine, Point, Side
from facestats.geometry import Capture, Geometry, Group, Measurement
from facestats.geometry.anatomy import FOREHEAD_TOP, GNATHION, SHAPE_LANDMARKS, ZYGION
from facestats.geometry.canonical import eye_line_angle
from facestats.images.warping import warp

Colour = tuple[int, int, int]

GROUP_COLOURS: dict[Group, Colour] = {
    "eyes": (86, 204, 242),
    "midface": (255, 190, 60),
    "lower_third": (255, 128, 120),
    "upper_third": (196, 160, 255),
    "overall": (160, 228, 110),
}
GROUP_TITLES: dict[Group, str] = {
    "eyes": "Eyes",
    "midface": "Midface",
    "lower_third": "Lower third",
    "upper_third": "Upper third",
    "overall": "Overall",
}
_BACKGROUND: Colour = (20, 23, 28)
_TEXT: Colour = (240, 242, 245)
_MUTED: Colour = (150, 156, 166)
_WARNING: Colour = (255, 200, 90)
_UNITS = {"deg": "°", "percent": "%", "percent of outer-canthal width": "%", "ratio": ""}

_COLUMN, _PHOTO_WIDTH, _PHOTO_HEIGHT, _HEADER, _FOOTER = 350, 660, 1120, 112, 64
_FACE_WIDTH, _FACE_HEIGHT = 430, 640
_MARGIN = 20
_PILL_WIDTH = 58
_DIMMED = 0.78
"""Brightness left to the photo, so that lines stand out on light skin."""
_FAINT = 0.6
"""Opacity of leaders and extension lines."""


@dataclass(frozen=True)
class _Stroke:
    """A line on the face, pixels of the picture; faint ones lie under the measured ones."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    colour: Colour
    faint: bool = False


@dataclass(frozen=True)
class _Label:
    """A metric's label and the place on the face it points to, pixels of the picture."""

    measurement: Measurement
    side: Side
    anchor: NDArray[np.float64] | None


@dataclass(frozen=True)
class _Frame:
    """The face in the picture.

    Attributes:
        points: [478, 2] float64, pixels of the picture.
        down: [2] unit vector along the midline of the face.
        across: [2] unit vector square to it, towards the right of the image.
        width: Face width, pixels.
    """

    points: NDArray[np.float64]
    down: NDArray[np.float64]
    across: NDArray[np.float64]
    width: float

    def place(self, point: Point) -> NDArray[np.float64]:
        """The mean of some landmarks, [2]."""
        placed: NDArray[np.float64] = self.points[list(point)].mean(0)
        return placed

    def dimension(self, line: MeasuredLine, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Moves an end of a line to where its dimension line is drawn, [2]."""
        shift = self.down * (line.lowered * self.width)
        if line.lane is not None:
            middle = self.points[list(ZYGION)].mean(0)
            shift = shift + self.across * (line.lane * self.width - float((place - middle) @ self.across))
        return place + shift


def draw_overlay(rgb: NDArray[np.uint8], capture: Capture, geometry: Geometry) -> NDArray[np.uint8]:
    """Draws the measured lines of one face over the photo, with labels beside it.

    The picture has the same size whatever the photo's: the face is levelled and brought to one scale, so labels and
    lines are as legible on a phone's photo as on twelve megapixels, and never lie over each other.

    Args:
        rgb: [H, W, 3] uint8, the upright photo.
        capture: The face's landmarks in it.
        geometry: Its measurements.

    Returns:
        [1296, 1360, 3] uint8 RGB.
    """
    points = capture.photo_points()
    to_picture = _view(points)
    picture = np.full((_HEADER + _PHOTO_HEIGHT + _FOOTER, 2 * _COLUMN + _PHOTO_WIDTH, 3), _BACKGROUND, np.uint8)
    picture[_HEADER : _HEADER + _PHOTO_HEIGHT, _COLUMN : _COLUMN + _PHOTO_WIDTH] = _warp_photo(rgb, to_picture)
    frame = _face_frame(points @ to_picture[:, :2].T + to_picture[:, 2] + [_COLUMN, _HEADER])
    strokes, labels = _lay_out(frame, geometry)
    leaders, columns = _columns(labels)
    picture = _draw_strokes(picture, strokes, leaders)
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for label, edge, middle in columns:
        _draw_label(draw, label, edge, middle)
    _draw_header(draw, geometry)
    _draw_footer(draw, geometry)
    return np.array(canvas)


def encode_overlay(picture: NDArray[np.uint8], quality: int = 88) -> bytes:
    """Encodes a picture from ``draw_overlay`` as JPEG."""
    encoded, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise RuntimeError("OpenCV cannot encode JPEG.")
    return data.tobytes()


def _view(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """[2, 3] matrix of photo pixels to the picture's photo area: eyes level, the face centred at its standard size."""
    angle = eye_line_angle(points)
    level = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points[:SHAPE_LANDMARKS] @ level.T
    low, high = turned.min(0), turned.max(0)
    scale = float((np.array([_FACE_WIDTH, _FACE_HEIGHT]) / np.maximum(high - low, 1.0)).min())
    shift = np.array([_PHOTO_WIDTH, _PHOTO_HEIGHT]) / 2 - scale * (low + high) / 2
    return np.hstack([scale * level, shift[:, None]])


def _warp_photo(rgb: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    red, green, blue = (channel / _DIMMED for channel in _BACKGROUND)
    warped = warp(
        rgb,
        matrix,
        (_PHOTO_WIDTH, _PHOTO_HEIGHT),
        interpolation=cv2.INTER_CUBIC,
        border_mode=cv2.BORDER_CONSTANT,
        border_colour=(red, green, blue),
    )
    return np.asarray(warped * _DIMMED, np.uint8)


def _face_frame(points: NDArray[np.float64]) -> _Frame:
    # Square to the midline rather than along the cheekbones: in perspective a turned head slants those.
    down = points[GNATHION] - points[FOREHEAD_TOP]
    down = down / max(float(np.hypot(*down)), 1.0)
    across = np.array([down[1], -down[0]])
    return _Frame(points, down, across, float(np.hypot(*(points[ZYGION[1]] - points[ZYGION[0]]))))


def _lay_out(frame: _Frame, geometry: Geometry) -> tuple[list[_Stroke], list[_Label]]:
    measurements = {measurement.name: measurement for measurement in geometry.metrics}
    strokes: list[_Stroke] = []
    labels = []
    for name, drawing in DRAWINGS.items():
        measurement = measurements[name]
        lines = drawing.lines if measurement.value is not None else ()
        colour = GROUP_COLOURS[measurement.group]
        ends: list[NDArray[np.float64]] = []
        for line in lines:
            start, end = frame.place(line.start), frame.place(line.end)
            drawn_start, drawn_end = frame.dimension(line, start), frame.dimension(line, end)
            if line.lane is not None or line.lowered:
                strokes += [_Stroke(start, drawn_start, colour, True), _Stroke(end, drawn_end, colour, True)]
            strokes.append(_Stroke(drawn_start, drawn_end, colour, name == "asymmetry"))
            # Heights are pointed to in their middle, widths at their nearer end.
            middle = (drawn_start + drawn_end) / 2
            tall = abs(float((drawn_end - drawn_start) @ frame.down)) > abs(
                float((drawn_end - drawn_start) @ frame.across)
            )
            ends += [middle] if tall else [drawn_start, drawn_end]
        outermost = min if drawing.side == "left" else max
        anchor = outermost(ends, key=lambda place: float(place[0])) if ends else None
        labels.append(_Label(measurement, drawing.side, anchor))
    return strokes, labels


def _columns(labels: Sequence[_Label]) -> tuple[list[_Stroke], list[tuple[_Label, int, float]]]:
    """Orders each column from top to bottom of the face; gives the leaders and each label's edge and middle."""
    leaders, placed = [], []
    for side, edge, towards_face in (
        ("left", _COLUMN - _MARGIN, 10.0),
        ("right", _COLUMN + _PHOTO_WIDTH + _MARGIN, -10.0),
    ):
        column = [label for label in labels if label.side == side]
        column.sort(key=lambda label: np.inf if label.anchor is None else float(label.anchor[1]))
        for index, label in enumerate(column):
            middle = _HEADER + _PHOTO_HEIGHT * (index + 0.5) / len(column)
            placed.append((label, edge, middle))
            if label.anchor is not None:
                colour = GROUP_COLOURS[label.measurement.group]
                leaders.append(_Stroke(np.array([edge + towards_face, middle]), label.anchor, colour, True))
    return leaders, placed


def _draw_strokes(
    picture: NDArray[np.uint8], strokes: Sequence[_Stroke], leaders: Sequence[_Stroke]
) -> NDArray[np.uint8]:
    faint = picture.copy()
    for stroke in [*leaders, *(stroke for stroke in strokes if stroke.faint)]:
        cv2.line(faint, _pixel(stroke.start), _pixel(stroke.end), stroke.colour, 2, cv2.LINE_AA)
    picture = np.asarray(cv2.addWeighted(faint, _FAINT, picture, 1 - _FAINT, 0), np.uint8)
    measured = [stroke for stroke in strokes if not stroke.faint]
    for stroke in measured:
        cv2.line(picture, _pixel(stroke.start), _pixel(stroke.end), _BACKGROUND, 6, cv2.LINE_AA)
        cv2.line(picture, _pixel(stroke.start), _pixel(stroke.end), stroke.colour, 3, cv2.LINE_AA)
    for stroke in measured:
        for place in (stroke.start, stroke.end):
            cv2.circle(picture, _pixel(place), 6, _BACKGROUND, -1, cv2.LINE_AA)
            cv2.circle(picture, _pixel(place), 4, stroke.colour, -1, cv2.LINE_AA)
    return picture


def _pixel(place: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _draw_label(draw: ImageDraw.ImageDraw, label: _Label, edge: int, middle: float) -> None:
    measurement = label.measurement
    title_font, value_font = ImageFont.load_default(24), ImageFont.load_default(28)
    align = "r" if label.side == "left" else "l"
    outward = -1 if label.side == "left" else 1
    if measurement.value is None or measurement.score is None:
        draw.text((edge, middle - 2), measurement.title, _MUTED, title_font, anchor=align + "d")
        draw.text((edge, middle + 6), "not measurable", _MUTED, title_font, anchor=align + "a")
        return
    colour = GROUP_COLOURS[measurement.group]
    draw.text((edge, middle - 2), measurement.title, colour, title_font, anchor=align + "d")
    # The score stands in a pill nearest the face, the value beyond it.
    low, high = sorted((edge, edge + outward * _PILL_WIDTH))
    draw.rounded_rectangle((low, middle + 4, high, middle + 38), 17, colour)
    draw.text(((low + high) / 2, middle + 21), f"{measurement.score:.0f}", _BACKGROUND, value_font, anchor="mm")
    value = f"{measurement.value:#.3g}".removesuffix(".") + _UNITS[measurement.unit]
    draw.text((edge + outward * (_PILL_WIDTH + 12), middle + 21), value, _TEXT, value_font, anchor=align + "m")


def _draw_header(draw: ImageDraw.ImageDraw, geometry: Geometry) -> None:
    large, small = ImageFont.load_default(42), ImageFont.load_default(25)
    score = "No score" if geometry.score is None else f"Geometric score {geometry.score:.0f}"
    draw.text((_MARGIN, 40), score, _TEXT, large, anchor="lm")
    quality = geometry.quality
    right = 2 * _COLUMN + _PHOTO_WIDTH - _MARGIN
    draw.text((right, 40), f"Reliability {quality.reliability:.0f} ({quality.level})", _TEXT, small, anchor="rm")
    if quality.warnings:
        draw.text((_MARGIN, 88), quality.warnings[0], _WARNING, small, anchor="lm")


def _draw_footer(draw: ImageDraw.ImageDraw, geometry: Geometry) -> None:
    font = ImageFont.load_default(26)
    left, middle = float(_MARGIN), _HEADER + _PHOTO_HEIGHT + _FOOTER / 2
    for group, title in GROUP_TITLES.items():
        score = geometry.groups[group]
        text = f"{title} {'-' if score is None else format(score, '.0f')}"
        draw.ellipse((left, middle - 8, left + 16, middle + 8), GROUP_COLOURS[group])
        draw.text((left + 26, middle), text, _TEXT, font, anchor="lm")
        left += 26 + draw.textlength(text, font) + 40
    legend = "Coloured: score 0-100"
    draw.text((2 * _COLUMN + _PHOTO_WIDTH - _MARGIN, middle), legend, _MUTED, font, anchor="rm")
