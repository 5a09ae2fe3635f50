"""Capture on real photos: both modes, several faces, mirrors, and where the landmarks lie on the photo."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facestats.faces.captures import CROP_SIDE, capture, capture_all
from facestats.geometry import CaptureMode
from facestats.landmarks.engine import FoundFace, LandmarkEngine
from facestats.landmarks.engines import LandmarkEngines

Photo = NDArray[np.uint8]


@pytest.fixture(scope="module")
def three_faces(photo: Photo) -> Photo:
    """The head of the example photo at three sizes, side by side on grey."""
    head = photo[20:260, 110:350]
    canvas = np.full((700, 700, 3), 128, np.uint8)
    for side, left, top in ((280, 10, 10), (390, 300, 0), (320, 180, 380)):
        canvas[top : top + side, left : left + side] = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA)
    return canvas


def test_fast_capture_is_the_first_pass(engine: LandmarkEngine, photo: Photo) -> None:
    found = capture(engine, photo, "fast")
    assert found is not None
    assert (found.width, found.height, found.mode) == (photo.shape[1], photo.shape[0], "fast")
    assert found.landmarks.shape == (478, 3)
    np.testing.assert_array_equal(found.landmarks, found.first)
    np.testing.assert_array_equal(found.landmarks, engine.detect([photo])[0][0].landmarks)


def test_stable_capture_measures_in_an_upright_crop(engine: LandmarkEngine, photo: Photo) -> None:
    found = capture(engine, photo, "stable")
    assert found is not None
    assert (found.width, found.height, found.mode) == (CROP_SIDE, CROP_SIDE, "stable")
    points = found.landmarks[:468, :2] * CROP_SIDE
    low, high = points.min(0), points.max(0)
    assert (high - low).max() == pytest.approx(CROP_SIDE / 2, rel=0.05), "the face fills half of the crop"
    assert (low + high) / 2 == pytest.approx([CROP_SIDE / 2] * 2, abs=8)


def test_photo_points_agree_with_the_first_pass(engine: LandmarkEngine, photo: Photo) -> None:
    found = capture(engine, photo, "stable")
    assert found is not None
    offsets = found.photo_points() - found.first[:, :2] * [found.photo_width, found.photo_height]
    face_width = np.ptp(found.photo_points()[:468, 0])
    assert np.hypot(*offsets.T).max() < 0.08 * face_width


def test_stable_capture_of_a_mirrored_photo_is_the_mirrored_capture(engine: LandmarkEngine, photo: Photo) -> None:
    from facestats.geometry.reference import load_reference

    straight, mirrored = capture(engine, photo, "stable"), capture(engine, photo[:, ::-1], "stable")
    assert straight is not None
    assert mirrored is not None
    unmirrored = mirrored.landmarks[load_reference().mirror] * [-1, 1, 1] + [1, 0, 0]
    assert np.abs(unmirrored[:468, :2] - straight.landmarks[:468, :2]).mean() < 0.004


def test_a_rotated_head_is_measured_upright(engine: LandmarkEngine, photo: Photo) -> None:
    height, width = photo.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 25, 1.0)
    rotated = np.asarray(cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    found = capture(engine, rotated, "stable")
    assert found is not None
    eyes = found.landmarks[[33, 133, 362, 263], :2] * CROP_SIDE
    tilt = np.degrees(np.arctan2(*(eyes[2:].mean(0) - eyes[:2].mean(0))[::-1]))
    assert abs(tilt) < 2


def test_no_face_is_none(engine: LandmarkEngine) -> None:
    empty = np.full((240, 320, 3), 90, np.uint8)
    assert capture(engine, empty, "stable") is None
    assert capture_all(engine, empty, "fast", 4) == []


@pytest.mark.parametrize("mode", ["stable", "fast"])
def test_every_face_is_captured_largest_first(engine: LandmarkEngine, three_faces: Photo, mode: CaptureMode) -> None:
    found = capture_all(engine, three_faces, mode, 4)
    widths = [float(np.ptp(face.photo_points()[:468, 0])) for face in found]
    assert len(found) == 3
    assert widths == sorted(widths, reverse=True)
    assert widths[0] / widths[2] == pytest.approx(390 / 280, rel=0.1)


def test_each_of_several_faces_is_measured_on_itself(engine: LandmarkEngine, three_faces: Photo) -> None:
    found = capture_all(engine, three_faces, "stable", 4)
    assert len(found) == 3
    for face in found:
        first = face.first[:468, :2] * [face.photo_width, face.photo_height]
        centre = (first.min(0) + first.max(0)) / 2
        measured = face.photo_points()[:468]
        assert np.hypot(*((measured.min(0) + measured.max(0)) / 2 - centre)) < 0.1 * np.ptp(first[:, 0])


def test_at_most_the_asked_number_of_faces_is_returned(engine: LandmarkEngine, three_faces: Photo) -> None:
    assert len(capture_all(engine, three_faces, "fast", 2)) == 2
    largest = capture(engine, three_faces, "fast")
    assert largest is not None
    np.testing.assert_array_equal(largest.landmarks, capture_all(engine, three_faces, "fast", 1)[0].landmarks)


def test_an_engine_for_several_faces_measures_a_single_one_alike(
    engine: LandmarkEngine, engines: LandmarkEngines, photo: Photo
) -> None:
    with closing(engines.open(1)) as single:
        (alone,), (among_others,) = single.detect([photo])[0], engine.detect([photo])[0]
    np.testing.assert_array_equal(alone.landmarks, among_others.landmarks)
    assert alone.confidence == among_others.confidence


def test_a_large_photo_is_reduced_by_area(engine: LandmarkEngine, photo: Photo) -> None:
    large = np.asarray(cv2.resize(photo, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC), np.uint8)
    small_capture, large_capture = capture(engine, photo, "stable"), capture(engine, large, "stable")
    assert small_capture is not None
    assert large_capture is not None
    assert np.abs(small_capture.landmarks - large_capture.landmarks)[:468, :2].mean() < 0.006


class Forgetful:
    """Loses the face in some of its looks: at the photo (0), the crop (1) or the crop's mirror image (2)."""

    name = "forgetful"

    def __init__(self, engine: LandmarkEngine, lost: set[int]) -> None:
        self.engine, self.lost, self.looks = engine, lost, 0

    def detect(self, pictures: Sequence[Photo]) -> list[list[FoundFace]]:
        found = self.engine.detect(pictures)
        looks = range(self.looks, self.looks + len(found))
        self.looks += len(found)
        return [[] if look in self.lost else faces for look, faces in zip(looks, found, strict=True)]

    def close(self) -> None:
        self.engine.close()


@pytest.mark.parametrize("lost", [1, 2])
def test_one_run_of_the_second_pass_is_enough(engine: LandmarkEngine, photo: Photo, lost: int) -> None:
    both, one = capture(engine, photo, "stable"), capture(Forgetful(engine, {lost}), photo, "stable")
    assert both is not None
    assert one is not None
    assert one.width == CROP_SIDE
    assert 0 < np.abs(one.landmarks - both.landmarks)[:468, :2].mean() < 0.01


def test_without_the_second_pass_the_first_one_counts(engine: LandmarkEngine, photo: Photo) -> None:
    found = capture(Forgetful(engine, {1, 2}), photo, "stable")
    assert found is not None
    assert (found.width, found.height) == (photo.shape[1], photo.shape[0])
    np.testing.assert_array_equal(found.landmarks, found.first)
    np.testing.assert_allclose(found.photo_points(), found.first[:, :2] * [photo.shape[1], photo.shape[0]])
