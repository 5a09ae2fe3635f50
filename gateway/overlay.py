"""A picture of a face with its measured lines, each labelled with the metric, its value and its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gateway.geometry import Geometry, Group, Measurement
from gateway.geometry.anatomy import FOREHEAD_TOP, GNATHION, SHAPE_LANDMARKS, ZYGION
from gateway.landmarks import Capture
from gateway.measured_lines import MEASURED_LINES, MeasuredLine, Point

Colour = tuple[int, int, int]

GROUP_COLOURS: dict[Group, Colour] = {
    "eyes": (86, 204, 242),
    "midface": (255, 190, 60),
    "lower_third": (255, 128, 120),
    "upper_third": (196, 160, 255),
    "overall": (160, 228, 110),
}
_GROUP_TITLES: dict[Group, str] = {
    "eyes": "Eyes",
    "midface": "Midface",
    "lower_third": "Lower third",
    "upper_third": "Upper third",
    "overall": "Overall",
}
_BACKGROUND: Colour = (20, 23, 28)
_TEXT: Colour = (240, 242, 245)
_MUTED: Colour = (150, 156, 166)
_UNITS = {"deg": "°", "percent": " %", "percent of outer-canthal width": " %", "ratio": ""}

_COLUMN, _PHOTO_WIDTH, _PHOTO_HEIGHT, _HEADER, _FOOTER = 300, 680, 1120, 96, 56
_FACE_WIDTH, _FACE_HEIGHT = 430, 640
_DIMMED = 0.78
"""Brightness left to the photo, so that lines stand out on light skin."""


@dataclass(frozen=True)
class _Label:
    """A metric's label and the point it belongs to, pixels of the picture."""

    measurement: Measurement
    anchor: NDArray[np.float64] | None


@dataclass(frozen=True)
class _Frame:
    """The face in the picture.

    Attributes:
        points: [478, 2] float64, pixels of the picture.
        across: Unit vector along the eyes, to the right of the image.
        width: Face width, pixels.
    """

    points: NDArray[np.float64]
    across: NDArray[np.float64]
    width: float

    def place(self, point: Point) -> NDArray[np.float64]:
        placed: NDArray[np.float64] = self.points[list(point)].mean(0)
        return placed

    def in_lane(self, place: NDArray[np.float64], lane: float) -> NDArray[np.float64]:
        """Moves a place along the eye line to ``lane`` face widths from the midline."""
        middle = self.points[list(ZYGION)].mean(0)
        moved: NDArray[np.float64] = place + self.across * (lane * self.width - float((place - middle) @ self.across))
        return moved


def draw_overlay(rgb: NDArray[np.uint8], capture: Capture, geometry: Geometry) -> NDArray[np.uint8]:
    """Draws the measured lines of one face over the photo, with labels beside it.

    The picture always has the same size, whatever the photo's: the face is brought to one scale, so labels and lines
    are as legible on a phone's photo as on twelve megapixels.

    Args:
        rgb: [H, W, 3] uint8, the upright photo.
        capture: The face's landmarks in it.
        geometry: Its measurements.

    Returns:
        [1272, 1280, 3] uint8 RGB.
    """
    points = capture.photo_points()
    to_picture = _view(points)
    picture = np.full((_HEADER + _PHOTO_HEIGHT + _FOOTER, 2 * _COLUMN + _PHOTO_WIDTH, 3), _BACKGROUND, np.uint8)
    photo = _warp_photo(rgb, to_picture)
    picture[_HEADER : _HEADER + _PHOTO_HEIGHT, _COLUMN : _COLUMN + _PHOTO_WIDTH] = photo
    offset = np.array([_COLUMN, _HEADER], np.float64)
    frame = _face_frame(points @ to_picture[:, :2].T + to_picture[:, 2] + offset)
    labels = [_draw_lines(picture, frame, measurement) for measurement in geometry.metrics]
    left, right = _split(labels, frame)
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    places = _draw_labels(draw, left, at_left=True) + _draw_labels(draw, right, at_left=False)
    _draw_summary(draw, geometry)
    return _with_leaders(np.array(canvas), [*left, *right], places)


def encode_overlay(picture: NDArray[np.uint8], quality: int = 88) -> bytes:
    """Encodes a picture from ``draw_overlay`` as JPEG."""
    encoded, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise RuntimeError("OpenCV cannot encode JPEG.")
    return data.tobytes()


def _view(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """[2, 3] matrix of photo pixels to the picture's photo area, with the face centred at its standard size."""
    low, high = points[:SHAPE_LANDMARKS].min(0), points[:SHAPE_LANDMARKS].max(0)
    scale = float((np.array([_FACE_WIDTH, _FACE_HEIGHT]) / np.maximum(high - low, 1.0)).min())
    shift = np.array([_PHOTO_WIDTH, _PHOTO_HEIGHT]) / 2 - scale * (low + high) / 2
    return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])


def _warp_photo(rgb: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    scale = float(matrix[0, 0])
    if scale < 0.5:
        height, width = rgb.shape[:2]
        small = (max(1, round(width * 2 * scale)), max(1, round(height * 2 * scale)))
        rgb = np.asarray(cv2.resize(rgb, small, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix * [width / small[0], height / small[1], 1.0]
    size = (_PHOTO_WIDTH, _PHOTO_HEIGHT)
    warped = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_CUBIC, borderValue=[c / _DIMMED for c in _BACKGROUND])
    return np.asarray(np.asarray(warped) * _DIMMED, np.uint8)


def _face_frame(points: NDArray[np.float64]) -> _Frame:
    # Across is square to the midline rather than along the cheekbones: a turned head slants those in perspective.
    down = points[GNATHION] - points[FOREHEAD_TOP]
    down /= max(float(np.hypot(*down)), 1e-9)
    across = np.array([down[1], -down[0]])
    return _Frame(points, across, float(np.hypot(*(points[ZYGION[1]] - points[ZYGION[0]]))))


def _draw_lines(picture: NDArray[np.uint8], frame: _Frame, measurement: Measurement) -> _Label:
    if measurement.value is None:
        return _Label(measurement, None)
    colour = GROUP_COLOURS[measurement.group]
    anchor = None
    for line in MEASURED_LINES[measurement.name]:
        anchor = _draw_line(picture, frame, line, colour)
    return _Label(measurement, anchor)


def _draw_line(picture: NDArray[np.uint8], frame: _Frame, line: MeasuredLine, colour: Colour) -> NDArray[np.float64]:
    start, end = frame.place(line.start), frame.place(line.end)
    if line.lane is not None:
        for place in (start, end):
            _stroke(picture, place, frame.in_lane(place, line.lane), colour, 1, halo=False)
        start, end = frame.in_lane(start, line.lane), frame.in_lane(end, line.lane)
    _stroke(picture, start, end, colour, 3)
    for place in (start, end):
        cv2.circle(picture, _pixel(place), 5, _BACKGROUND, -1, cv2.LINE_AA)
        cv2.circle(picture, _pixel(place), 4, colour, -1, cv2.LINE_AA)
    middle: NDArray[np.float64] = (start + end) / 2
    return middle


def _stroke(
    picture: NDArray[np.uint8],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    colour: Colour,
    thickness: int,
    *,
    halo: bool = True,
) -> None:
    if halo:
        cv2.line(picture, _pixel(start), _pixel(end), _BACKGROUND, thickness + 3, cv2.LINE_AA)
    cv2.line(picture, _pixel(start), _pixel(end), colour, thickness, cv2.LINE_AA)


def _pixel(place: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _split(labels: Sequence[_Label], frame: _Frame) -> tuple[list[_Label], list[_Label]]:
    """Two columns of about equal length, each from top to bottom."""
    middle = float(frame.points[list(ZYGION), 0].mean())
    bottom = float(frame.points[:SHAPE_LANDMARKS, 1].max())

    def across(label: _Label) -> float:
        return middle if label.anchor is None else float(label.anchor[0])

    def down(label: _Label) -> float:
        return bottom if label.anchor is None else float(label.anchor[1])

    by_side = sorted(labels, key=across)
    half = (len(labels) + 1) // 2
    return sorted(by_side[:half], key=down), sorted(by_side[half:], key=down)


def _draw_labels(draw: ImageDraw.ImageDraw, labels: Sequence[_Label], *, at_left: bool) -> list[tuple[int, int]]:
    """Writes a column of labels; returns where each one's leader starts."""
    title_font, value_font = ImageFont.load_default(24), ImageFont.load_default(30)
    step = _PHOTO_HEIGHT / max(len(labels), 1)
    edge = _COLUMN - 22 if at_left else _COLUMN + _PHOTO_WIDTH + 22
    anchor = "r" if at_left else "l"
    places = []
    for index, label in enumerate(labels):
        measurement = label.measurement
        top = _HEADER + step * index + step / 2
        supported = measurement.value is not None
        title_colour = GROUP_COLOURS[measurement.group] if supported else _MUTED
        draw.text((edge, top - 4), measurement.title, title_colour, title_font, anchor=anchor + "d")
        text = _value_text(measurement)
        draw.text((edge, top + 2), text, _TEXT if supported else _MUTED, value_font, anchor=anchor + "a")
        places.append((edge + (10 if at_left else -10), round(top)))
    return places


def _value_text(measurement: Measurement) -> str:
    if measurement.value is None or measurement.score is None:
        return "not measurable"
    return f"{measurement.value:.3g}{_UNITS[measurement.unit]}  ·  {measurement.score:.0f}"


def _draw_summary(draw: ImageDraw.ImageDraw, geometry: Geometry) -> None:
    large, small = ImageFont.load_default(40), ImageFont.load_default(26)
    width = 2 * _COLUMN + _PHOTO_WIDTH
    score = "no score" if geometry.score is None else f"{geometry.score:.0f}"
    draw.text((24, _HEADER / 2), f"Geometric score {score}", _TEXT, large, anchor="lm")
    quality = geometry.quality
    note = f"reliability {quality.reliability:.0f} ({quality.level})"
    draw.text((width - 24, _HEADER / 2), note, _MUTED, small, anchor="rm")
    left = 24.0
    middle = _HEADER + _PHOTO_HEIGHT + _FOOTER / 2
    for group, title in _GROUP_TITLES.items():
        group_score = geometry.groups[group]
        text = f"{title} {'-' if group_score is None else format(group_score, '.0f')}"
        draw.ellipse((left, middle - 8, left + 16, middle + 8), GROUP_COLOURS[group])
        draw.text((left + 26, middle), text, _TEXT, small, anchor="lm")
        left += 26 + draw.textlength(text, small) + 44
    draw.text((width - 24, middle), "value · score", _MUTED, small, anchor="rm")


def _with_leaders(
    picture: NDArray[np.uint8], labels: Sequence[_Label], places: Sequence[tuple[int, int]]
) -> NDArray[np.uint8]:
    lines = picture.copy()
    for label, place in zip(labels, places, strict=True):
        if label.anchor is not None:
            colour = GROUP_COLOURS[label.measurement.group]
            cv2.line(lines, place, _pixel(label.anchor), colour, 1, cv2.LINE_AA)
    return lines
