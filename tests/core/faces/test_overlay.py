"""The overlay: a decodable picture of one size with visible lines, for every kind of photo."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageFont

from facestats.faces.captures import capture
from facestats.faces.overlay import GROUP_COLOURS, draw_overlay, encode_overlay
from facestats.geometry import METRICS, Capture, Geometry, measure
from facestats.landmarks.engine import LandmarkEngine

Photo = NDArray[np.uint8]
SIZE = (1296, 1360, 3)


@pytest.fixture(scope="module")
def captured(engine: LandmarkEngine, photo: Photo) -> Capture:
    found = capture(engine, photo, "stable")
    assert found is not None
    return found


def coloured(picture: Photo) -> dict[str, int]:
    """Pixels of exactly each group's colour."""
    return {group: int((picture == colour).all(-1).sum()) for group, colour in GROUP_COLOURS.items()}


@pytest.mark.parametrize("side", [160, 512, 3464], ids=["thumbnail", "phone", "12-megapixel"])
def test_the_picture_has_one_size_and_every_groups_lines(engine: LandmarkEngine, photo: Photo, side: int) -> None:
    scaled = np.asarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    found = capture(engine, scaled, "stable")
    assert found is not None
    picture = draw_overlay(scaled, found, measure(found))
    assert picture.shape == SIZE
    assert picture.dtype == np.uint8
    on_the_face = picture[112:1232, 350:1010]
    assert all(count > 300 for count in coloured(on_the_face).values()), coloured(on_the_face)


@pytest.mark.parametrize("brightness", [0, 255])
def test_lines_stand_out_on_dark_and_on_light_photos(captured: Capture, photo: Photo, brightness: int) -> None:
    plain = np.full_like(photo, brightness)
    picture = draw_overlay(plain, captured, measure(captured))
    ground = picture[700, 360].astype(int)
    for colour in GROUP_COLOURS.values():
        # Relative luminance contrast as WCAG 2 defines it; 3 is its demand on graphics. On light ground every line
        # has a dark halo of the background's colour.
        against_ground = contrast(np.array(colour), ground)
        assert max(against_ground, contrast(np.array([20, 23, 28]), ground)) > 3


def contrast(first: NDArray[np.int_], second: NDArray[np.int_]) -> float:
    def luminance(colour: NDArray[np.int_]) -> float:
        share = colour / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_every_title_fits_its_column() -> None:
    font = ImageFont.load_default(24)
    assert max(font.getlength(metric.title) for metric in METRICS) <= 350 - 2 * 20


def test_what_is_not_measurable_has_no_line(captured: Capture, photo: Photo) -> None:
    geometry = measure(captured)
    without_eyes = replace(
        geometry,
        metrics=tuple(
            replace(metric, value=None, score=None, percentile=None, reason="hidden")
            if metric.group == "eyes"
            else metric
            for metric in geometry.metrics
        ),
    )
    columns = slice(350, 1010)
    assert coloured(draw_overlay(photo, captured, geometry)[112:1232, columns])["eyes"] > 300
    assert coloured(draw_overlay(photo, captured, without_eyes)[112:1232, columns])["eyes"] == 0


def test_a_face_without_a_score_is_still_drawn(captured: Capture, photo: Photo) -> None:
    geometry: Geometry = replace(measure(captured), score=None, total=None)
    assert draw_overlay(photo, captured, geometry).shape == SIZE


def test_the_photo_is_not_changed(captured: Capture, photo: Photo) -> None:
    before = photo.copy()
    draw_overlay(photo, captured, measure(captured))
    np.testing.assert_array_equal(photo, before)


def test_the_jpeg_decodes_to_the_picture(captured: Capture, photo: Photo) -> None:
    picture = draw_overlay(photo, captured, measure(captured))
    decoded = cv2.imdecode(np.frombuffer(encode_overlay(picture), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert decoded.shape == SIZE
    assert np.abs(decoded.astype(int) - picture).mean() < 3
