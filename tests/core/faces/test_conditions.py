"""What is said of focus, light, colour, eyes and company: true of a photo that was spoilt so, on any skin."""

from __future__ import annotations

import csv
import dataclasses
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facestats.faces.captures import capture
from facestats.faces.conditions import WORTH_A_WARNING, Condition, examine, eye_opening
from facestats.geometry import Capture
from facestats.images.imaging import decode_image
from facestats.landmarks.engine import LandmarkEngine

Photo = NDArray[np.uint8]


@pytest.fixture(scope="module")
def example(engine: LandmarkEngine, photo: Photo) -> Capture:
    found = capture(engine, photo, "stable")
    assert found is not None
    return found


def motion(rgb: Photo, length: int) -> Photo:
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0 / length
    return np.asarray(cv2.filter2D(rgb, -1, kernel), np.uint8)


def gain(rgb: Photo, *factors: float) -> Photo:
    return np.asarray(np.clip(rgb * np.array(factors or (1.0,)), 0, 255), np.uint8)


SPOILT: dict[Condition, Callable[[Photo], Photo]] = {
    "sharpness": lambda rgb: motion(rgb, 15),
    "brightness": lambda rgb: gain(rgb, 0.3),
    "highlights": lambda rgb: gain(rgb, 1.9),
    "colour": lambda rgb: gain(rgb, 1.5, 0.9, 0.35),
}


def test_nothing_is_said_of_a_good_photo(photo: Photo, example: Capture) -> None:
    found = examine(photo, example, 1)
    assert found.warnings == ()
    assert set(found.factors) == {"sharpness", "brightness", "highlights", "colour", "eyes", "edge", "company"}


@pytest.mark.parametrize("condition", SPOILT)
def test_what_spoils_a_photo_is_named(photo: Photo, example: Capture, condition: Condition) -> None:
    found = examine(SPOILT[condition](photo), example, 1)
    assert found.factors[condition] < WORTH_A_WARNING
    assert found.warnings


def test_gaussian_blur_is_named_too(photo: Photo, example: Capture) -> None:
    blurred = np.asarray(cv2.GaussianBlur(photo, (0, 0), 2.5), np.uint8)
    assert examine(blurred, example, 1).factors["sharpness"] < WORTH_A_WARNING


def test_several_faces_are_counted(photo: Photo, example: Capture) -> None:
    (sentence,) = examine(photo, example, 3).warnings
    assert sentence.startswith("3 faces were found; the largest was scored.")


def test_a_face_cut_by_the_edge_is_named(photo: Photo, example: Capture) -> None:
    # The same landmarks in a photo whose left border runs through the cheek.
    moved = example.first - np.array([example.first[234, 0] + 0.06, 0.0, 0.0])
    cut = dataclasses.replace(example, first=moved)
    assert examine(photo, cut, 1).factors["edge"] < WORTH_A_WARNING


def test_closed_eyes_are_named(photo: Photo, example: Capture) -> None:
    landmarks = example.landmarks.copy()
    for upper, lower in ((159, 145), (160, 144), (158, 153), (386, 374), (387, 373), (385, 380)):
        landmarks[upper] = landmarks[lower] + [0.0, -0.0005, 0.0]
    closed = dataclasses.replace(example, landmarks=landmarks)
    assert eye_opening(closed.photo_points()) < 0.1
    found = examine(photo, closed, 1)
    assert found.factors["eyes"] < WORTH_A_WARNING
    assert "colour" not in found.factors


def test_a_tiny_face_is_not_called_blurred(engine: LandmarkEngine, photo: Photo) -> None:
    small = np.asarray(cv2.resize(photo, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), np.uint8)
    found = capture(engine, small, "fast")
    assert found is not None
    factors = examine(small, found, 1).factors
    assert "sharpness" not in factors
    assert "colour" not in factors


@pytest.fixture(scope="module")
def portraits(engine: LandmarkEngine, shared_dir: Path) -> list[tuple[str, Photo, Capture]]:
    """Real portraits with their group, as the tables of the shared data name it."""
    found = []
    for folder in ("faces", "faces_more"):
        with (shared_dir / folder / "ratings.csv").open() as table:
            for row in csv.DictReader(table):
                rgb = decode_image((shared_dir / folder / row["filename"]).read_bytes())
                seen = capture(engine, rgb, "fast")
                if seen is not None:
                    found.append((row["group"], rgb, seen))
    assert len(found) > 60
    return found


@pytest.mark.parametrize(
    ("condition", "gains"),
    [("brightness", (1.0, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35)), ("highlights", (1.0, 1.2, 1.4, 1.6, 1.8, 2.2))],
)
def test_no_group_is_warned_of_light_much_more_often_than_another(
    portraits: list[tuple[str, Photo, Capture]], condition: Condition, gains: tuple[float, ...]
) -> None:
    warned: dict[str, list[bool]] = defaultdict(list)
    for group, rgb, seen in portraits:
        warned[group] += [examine(gain(rgb, by), seen, 1).factors[condition] < WORTH_A_WARNING for by in gains]
    shares = {group: float(np.mean(said)) for group, said in warned.items()}
    assert min(shares.values()) > 0.1
    assert max(shares.values()) <= 1.5 * min(shares.values()), shares


def test_good_portraits_are_rarely_warned_of(portraits: list[tuple[str, Photo, Capture]]) -> None:
    warned = [bool(examine(rgb, seen, 1).warnings) for _, rgb, seen in portraits]
    assert np.mean(warned) < 0.1
