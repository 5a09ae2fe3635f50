"""A photo sent on its side or head is measured as it would be upright, whichever engine finds the landmarks."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facestats.deadline import Deadline
from facestats.faces.captures import capture, capture_all
from facestats.faces.measurer import FaceMeasurer, MeasuredPhoto
from facestats.faces.options import Crop, ScoreOptions
from facestats.faces.overlay import draw_overlay
from facestats.faces.turned import View, see_faces
from facestats.geometry import Capture, CaptureMode, measure
from facestats.images.imaging import decode_image
from facestats.images.limits import ImageLimits
from facestats.landmarks.engine import FoundFace, LandmarkEngine
from facestats.landmarks.engines import MediaPipeEngines

Photo = NDArray[np.uint8]

NOISE = 6.0
"""Points by which a measurement may differ from another of the same face; GEOMETRY's 95 % level."""

TURNS = (90, 120, 150, 180, 210, 240, 270)
"""Degrees, counter-clockwise."""


def turned(photo: Photo, degrees: float) -> Photo:
    return np.asarray(Image.fromarray(photo).rotate(degrees, Image.Resampling.BICUBIC, expand=True))


def captured(engine: LandmarkEngine, photo: Photo, mode: CaptureMode = "stable") -> Capture:
    found = capture(engine, photo, mode)
    assert found is not None
    return found


class Counting:
    """Counts the pictures an engine is shown."""

    name = "counting"

    def __init__(self, engine: LandmarkEngine) -> None:
        self.engine, self.looks = engine, 0

    def detect(self, pictures: Sequence[Photo]) -> list[list[FoundFace]]:
        self.looks += len(pictures)
        return self.engine.detect(pictures)

    def close(self) -> None:
        self.engine.close()


@pytest.mark.parametrize(
    ("mode", "degrees"),
    # One look is noisier the more a head is rolled, upright or not: 18 points on this photo at 30 degrees.
    [*(("stable", degrees) for degrees in TURNS), *(("fast", degrees) for degrees in (90, 180, 270))],
)
def test_a_turned_face_scores_as_upright(mode: CaptureMode, degrees: int, engine: LandmarkEngine, photo: Photo) -> None:
    upright = measure(captured(engine, photo, mode))
    result = measure(captured(engine, turned(photo, degrees), mode))
    assert upright.score is not None
    assert result.score == pytest.approx(upright.score, abs=NOISE)
    assert result.pose.yaw == pytest.approx(upright.pose.yaw, abs=4)
    assert result.pose.pitch == pytest.approx(upright.pose.pitch, abs=4)
    roll = (result.pose.roll - upright.pose.roll + degrees + 180) % 360 - 180
    assert roll == pytest.approx(0, abs=4), "the roll is that of the photo as it was sent"


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, 1), (180, 2), (270, 3)])
@pytest.mark.parametrize("mode", ["stable", "fast"])
def test_landmarks_lie_on_the_photo_as_it_was_sent(
    mode: CaptureMode, degrees: int, turns: int, engine: LandmarkEngine, photo: Photo
) -> None:
    wide = np.ascontiguousarray(photo[:330])
    height, width = wide.shape[:2]
    upright = captured(engine, wide, mode).photo_points()
    found = captured(engine, turned(wide, degrees), mode)
    assert found.turns == turns
    back = {
        0: upright,
        90: np.stack([upright[:, 1], width - upright[:, 0]], axis=1),
        180: [width, height] - upright,
        270: np.stack([height - upright[:, 1], upright[:, 0]], axis=1),
    }[degrees]
    face_width = np.ptp(upright[:468, 0])
    assert np.hypot(*(found.photo_points() - back).T).max() < 0.05 * face_width
    first = found.first[:, :2] * [found.photo_width, found.photo_height]
    assert np.hypot(*(first - back).T).max() < 0.1 * face_width


def test_an_upright_photo_is_looked_at_no_more_than_before(engine: LandmarkEngine, photo: Photo) -> None:
    counting = Counting(engine)
    assert captured(counting, photo).turns == 0
    assert counting.looks == 3


def test_a_turned_group_is_found_whole(engine: LandmarkEngine, photo: Photo) -> None:
    head = photo[20:260, 110:350]
    group = np.concatenate([head, head[:, ::-1], head], axis=1)
    found = capture_all(engine, turned(group, 180), "fast", 4)
    assert [face.turns for face in found] == [2, 2, 2]
    assert {face.faces_found for face in found} == {3}


def test_of_a_group_only_the_one_on_the_head_is_turned(engine: LandmarkEngine, photo: Photo) -> None:
    head = photo[20:260, 110:350]
    group = np.concatenate([head, turned(head, 180)], axis=1)
    seen = see_faces(engine, np.ascontiguousarray(group), 4)
    middles = {face.view.turns: (face.low[0] + face.high[0]) / 2 for face in seen}
    assert len(seen) == 2
    assert middles[0] < 240 < middles[2]


def test_no_face_is_found_in_no_view(engine: LandmarkEngine) -> None:
    counting = Counting(engine)
    assert see_faces(counting, np.full((200, 300, 3), 90, np.uint8), 1) == []
    assert counting.looks == 4


def test_the_overlay_of_a_turned_photo_shows_the_face_upright(engine: LandmarkEngine, photo: Photo) -> None:
    def picture(rgb: Photo) -> NDArray[np.float64]:
        found = captured(engine, rgb)
        drawn = draw_overlay(rgb, found, measure(found))[112:1232, 350:1010]
        return np.asarray(cv2.resize(drawn, (66, 112), interpolation=cv2.INTER_AREA), np.float64)

    assert np.abs(picture(photo) - picture(turned(photo, 180))).mean() < 12
    assert np.abs(picture(photo) - picture(turned(photo, 180))[::-1, ::-1]).mean() > 25, "the figure can tell"


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_view_s_pixels_go_back_to_the_photo(turns: int) -> None:
    marked = np.zeros((40, 70, 3), np.uint8)
    marked[10:12, 50:52] = 255
    view = View.of(marked, turns)
    y, x = np.argwhere(view.rgb[..., 0]).mean(0) + 0.5
    matrix = view.to_photo()
    assert matrix[:, :2] @ [x, y] + matrix[:, 2] == pytest.approx([51, 11])


@pytest.mark.parametrize("crop", ["aligned", "full"])
def test_clip_sees_a_turned_photo_upright(crop: Crop, example_path: Path, root: Path) -> None:
    measurer = FaceMeasurer(1, ImageLimits(), 1, "metrics", MediaPipeEngines())

    def measured(path: Path) -> MeasuredPhoto:
        opened = measurer.open(path.read_bytes())
        return measurer.measure_photo(opened, ScoreOptions(crop=crop), Deadline(60), time.perf_counter())

    try:
        upright, on_its_head = measured(example_path), measured(root / "tests" / "data" / "images" / "upside_down.jpg")
    finally:
        measurer.close()
    ours, theirs = upright.faces[0].geometry, on_its_head.faces[0].geometry
    assert ours.score is not None
    assert theirs.score == pytest.approx(ours.score, abs=NOISE)
    difference = np.abs(upright.pixels.astype(float) - on_its_head.pixels).mean()
    upside_down = np.abs(upright.pixels.astype(float) - on_its_head.pixels[:, ::-1, ::-1]).mean()
    assert difference < 12 < 25 < upside_down


@pytest.mark.integration
def test_turned_portraits_keep_their_scores(engine: LandmarkEngine, shared_dir: Path) -> None:
    folder = shared_dir / "faces"
    with (folder / "ratings.csv").open(encoding="utf-8") as file:
        names = [row["filename"] for row in csv.DictReader(file)][::4]
    off = []
    for name in names:
        image = Image.fromarray(decode_image((folder / name).read_bytes(), ImageLimits(reduced_decode_side=512)))
        image.thumbnail((800, 800))
        upright = measure(captured(engine, np.asarray(image)))
        for degrees in TURNS:
            result = measure(captured(engine, turned(np.asarray(image), degrees)))
            roll = (result.pose.roll - upright.pose.roll + degrees + 180) % 360 - 180
            assert abs(roll) < 15, (name, degrees)
            assert upright.score is not None
            assert result.score is not None
            off.append(abs(result.score - upright.score))
    print(f"off by {np.mean(off):.2f} points on average, {np.quantile(off, 0.95):.2f} at the 95 % level")
    assert np.mean(off) <= 3
    assert np.quantile(off, 0.95) <= 7
