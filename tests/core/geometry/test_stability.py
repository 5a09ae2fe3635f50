"""Real photos, changed in ways that do not change the face, keep their score."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facestats.faces.captures import capture
from facestats.geometry import Sex, measure
from facestats.landmarks.engine import LandmarkEngine

pytestmark = pytest.mark.integration

Photo = NDArray[np.uint8]

ALLOWANCE = 1.0
"""Points on top of the specification's table, which was made on other photos."""


def rotated(degrees: float) -> Callable[[Photo], Photo]:
    def change(photo: Photo) -> Photo:
        height, width = photo.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        # The canvas grows, so that nothing is cut off.
        cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
        size = np.array([width * cosine + height * sine, width * sine + height * cosine])
        shift = np.zeros((2, 3))
        shift[:, 2] = (size - [width, height]) / 2
        canvas = (round(float(size[0])), round(float(size[1])))
        return np.asarray(cv2.warpAffine(photo, turn + shift, canvas), np.uint8)

    return change


def scaled(factor: float) -> Callable[[Photo], Photo]:
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return lambda photo: np.asarray(
        cv2.resize(photo, None, fx=factor, fy=factor, interpolation=interpolation), np.uint8
    )


def padded(x_share: float, y_share: float) -> Callable[[Photo], Photo]:
    def change(photo: Photo) -> Photo:
        y, x = round(y_share * photo.shape[0]), round(x_share * photo.shape[1])
        return np.pad(photo, ((y, y), (x, x), (0, 0)), constant_values=127)

    return change


def jpeg(photo: Photo) -> Photo:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer).convert("RGB"))


CHANGES: dict[str, tuple[Callable[[Photo], Photo], float]] = {
    "mirror": (lambda photo: photo[:, ::-1], 2.3),
    "rotate +15": (rotated(15), 2.2),
    "rotate -15": (rotated(-15), 2.3),
    "scale 0.5": (scaled(0.5), 2.1),
    "scale 2": (scaled(2.0), 1.5),
    "JPEG quality 40": (jpeg, 2.2),
    "pad to wide canvas": (padded(0.5, 0.0), 2.1),
    "pad to tall canvas": (padded(0.0, 0.5), 2.4),
}
"""Change -> how to make it, and the specification's mean absolute change of the score, points."""


@pytest.fixture(scope="module")
def faces(shared_dir: Path) -> list[tuple[Photo, Sex]]:
    folder = shared_dir / "faces"
    with (folder / "ratings.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        (
            np.asarray(Image.open(folder / row["filename"]).convert("RGB")),
            "female" if row["sex"] == "female" else "male",
        )
        for row in rows
    ]


@pytest.fixture(scope="module")
def scores(engine: LandmarkEngine, faces: list[tuple[Photo, Sex]]) -> list[float]:
    return [score(engine, photo, sex) for photo, sex in faces]


def score(engine: LandmarkEngine, photo: Photo, sex: Sex) -> float:
    found = capture(engine, photo, "stable")
    assert found is not None
    result = measure(found, sex).score
    assert result is not None
    return result


@pytest.mark.parametrize("name", CHANGES)
def test_the_score_stays(
    engine: LandmarkEngine,
    faces: list[tuple[Photo, Sex]],
    scores: list[float],
    name: str,
    record_property: Callable[..., None],
) -> None:
    change, specified = CHANGES[name]
    assert np.std(scores) > 10, "scores that do not differ could not move"
    changed = [score(engine, np.ascontiguousarray(change(photo)), sex) for photo, sex in faces]
    mean_change = float(np.abs(np.array(changed) - scores).mean())
    record_property("mean_absolute_change", mean_change)
    print(f"{name}: {mean_change:.2f} points (specification {specified})")
    assert mean_change <= specified + ALLOWANCE
