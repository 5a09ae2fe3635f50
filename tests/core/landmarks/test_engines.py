"""Both engines find the same faces; which one is used, and what is said when it cannot be."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from facestats.faces.captures import capture
from facestats.geometry import measure
from facestats.images.imaging import decode_image
from facestats.landmarks.engine import LandmarkEngine
from facestats.landmarks.engines import (
    LandmarkEngineError,
    LandmarkEngines,
    MediaPipeEngines,
    OpenVinoEngines,
    choose_graphs,
    engines_of,
)
from facestats.landmarks.golden import landmark_distances
from facestats.landmarks.networks import DETECTOR, GOLDEN_LANDMARKS, GOLDEN_PHOTO, MESH, FaceGraphs
from facestats_export.facenets.golden import with_golden_face

Photo = NDArray[np.uint8]

LIMIT = 0.02
"""Percent of the face's width."""


@pytest.fixture(scope="module")
def reference() -> Iterator[LandmarkEngine]:
    with closing(MediaPipeEngines().open(4)) as engine:
        yield engine


@pytest.fixture(scope="module")
def rebuilt(openvino_engines: LandmarkEngines) -> LandmarkEngine:
    return openvino_engines.open(4)


def assert_alike(rebuilt: LandmarkEngine, reference: LandmarkEngine, photo: Photo, faces: int) -> None:
    (ours,), (theirs,) = rebuilt.detect([photo]), reference.detect([photo])
    assert len(ours) == len(theirs) == faces
    height, width = photo.shape[:2]
    scale = [width, height, width]
    for mine, true in zip(ours, theirs, strict=True):
        assert landmark_distances(mine.landmarks * scale, true.landmarks * scale).max() <= LIMIT
        assert mine.confidence == pytest.approx(true.confidence, abs=1e-5)


def scaled(photo: Photo, factor: float) -> Photo:
    return np.asarray(cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)


def rolled(photo: Photo, degrees: float) -> Photo:
    return np.asarray(Image.fromarray(photo).rotate(degrees, Image.Resampling.BICUBIC, expand=True))


@pytest.mark.parametrize("factor", [0.3, 0.744, 1.0, 1.9])
def test_engines_agree_at_every_scale(
    factor: float, rebuilt: LandmarkEngine, reference: LandmarkEngine, photo: Photo
) -> None:
    assert_alike(rebuilt, reference, scaled(photo, factor), 1)


@pytest.mark.parametrize("degrees", [-40, -15, 7.5, 30])
def test_engines_agree_at_every_roll(
    degrees: float, rebuilt: LandmarkEngine, reference: LandmarkEngine, photo: Photo
) -> None:
    assert_alike(rebuilt, reference, rolled(photo, degrees), 1)


@pytest.mark.parametrize("crop", [np.s_[:300, :], np.s_[0:260, 120:360], np.s_[13:400, 101:512], np.s_[:, 150:]])
def test_engines_agree_on_every_crop(
    crop: tuple[slice, slice], rebuilt: LandmarkEngine, reference: LandmarkEngine, photo: Photo
) -> None:
    assert_alike(rebuilt, reference, np.ascontiguousarray(photo[crop]), 1)


def test_engines_agree_on_several_faces(rebuilt: LandmarkEngine, reference: LandmarkEngine, photo: Photo) -> None:
    head = photo[20:260, 110:350]
    assert_alike(rebuilt, reference, np.concatenate([head, head[:, ::-1], head], axis=1), 3)


def test_engines_agree_that_there_is_no_face(rebuilt: LandmarkEngine, reference: LandmarkEngine) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    assert_alike(rebuilt, reference, noise, 0)


def test_pictures_in_a_batch_are_answered_as_alone(engine: LandmarkEngine, photo: Photo) -> None:
    pictures = [photo, np.zeros((90, 60, 3), np.uint8), scaled(photo, 0.5), np.ascontiguousarray(photo[:, ::-1])]
    together = engine.detect(pictures)
    assert [len(faces) for faces in together] == [1, 0, 1, 1]
    for picture, faces in zip(pictures, together, strict=True):
        (alone,) = engine.detect([picture])
        for mine, true in zip(alone, faces, strict=True):
            np.testing.assert_allclose(mine.landmarks, true.landmarks, atol=2e-5)


@pytest.mark.integration
def test_engines_agree_on_rated_portraits(rebuilt: LandmarkEngine, reference: LandmarkEngine, shared_dir: Path) -> None:
    paths = sorted(path for name in ("faces", "faces_more") for path in (shared_dir / name).glob("*.jpg"))
    assert len(paths) > 60
    off = []
    for path in paths:
        photo = decode_image(path.read_bytes())
        assert_alike(rebuilt, reference, photo, 1)
        mine, true = capture(rebuilt, photo, "stable"), capture(reference, photo, "stable")
        assert mine is not None
        assert true is not None
        ours, theirs = measure(mine).score, measure(true).score
        # A photo may show too little of a face for a score.
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            off.append(abs(ours - theirs))
    print(f"geometric score off by {max(off):.4f} points at most, {np.mean(off):.4f} on average")
    assert len(off) > 60
    assert max(off) <= 0.1


def exported(folder: Path, graphs: FaceGraphs) -> Path:
    for name, graph in ((DETECTOR, graphs.detector), (MESH, graphs.mesh)):
        path = folder / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(graph)
    return folder


def test_networks_are_used_where_they_were_exported(tmp_path: Path, face_networks: FaceGraphs) -> None:
    assert choose_graphs("auto", tmp_path) is None
    folder = exported(tmp_path, face_networks)
    assert choose_graphs("auto", folder) == choose_graphs("openvino", folder) == face_networks
    assert choose_graphs("mediapipe", folder) is None
    assert (engines_of(face_networks, 1).name, engines_of(None, 1).name) == ("openvino", "mediapipe")


def test_a_network_without_its_fellow_is_none(tmp_path: Path, face_networks: FaceGraphs) -> None:
    (exported(tmp_path, face_networks) / MESH / "1" / "model.onnx").unlink()
    assert choose_graphs("auto", tmp_path) is None


def test_openvino_without_networks_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LandmarkEngineError, match=r"facestats export.*FACESTATS_FACE_NETWORKS"):
        choose_graphs("openvino", tmp_path)


def test_openvino_that_is_not_installed_is_named(
    tmp_path: Path, face_networks: FaceGraphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported(tmp_path, face_networks)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choose_graphs("auto", folder) is None
    with pytest.raises(LandmarkEngineError, match="package openvino"):
        choose_graphs("openvino", folder)


def test_damaged_networks_are_refused(face_networks: FaceGraphs) -> None:
    damaged = FaceGraphs(face_networks.detector, face_networks.mesh[:1000])
    with pytest.raises(LandmarkEngineError, match="FACESTATS_LANDMARKS=mediapipe"):
        OpenVinoEngines(damaged, 1).open(1)


@pytest.mark.parametrize(("shift", "refused"), [(0.0, False), (0.002, True)])
def test_the_golden_face_is_checked_before_an_engine_is_used(
    shift: float, refused: bool, face_networks: FaceGraphs, reference: LandmarkEngine, photo: Photo
) -> None:
    model = onnx.load_from_string(with_golden_face(face_networks.mesh, photo, reference))
    entries = {item.key: item for item in model.metadata_props}
    assert set(entries) == {GOLDEN_PHOTO, GOLDEN_LANDMARKS}
    landmarks = np.frombuffer(base64.b64decode(entries[GOLDEN_LANDMARKS].value), "<f4") + np.float32(shift)
    entries[GOLDEN_LANDMARKS].value = base64.b64encode(landmarks.tobytes()).decode()
    engines = OpenVinoEngines(FaceGraphs(face_networks.detector, model.SerializeToString()), 1)
    if refused:
        with pytest.raises(LandmarkEngineError, match="other landmarks here than at their export"):
            engines.open(1)
    else:
        assert engines.open(1).detect([photo])[0]


SCRIPT = """
import sys, time
from pathlib import Path
from facestats.deadline import Deadline
from facestats.faces.measurer import FaceMeasurer
from facestats.faces.options import ScoreOptions
from facestats.settings import ScoringSettings

settings = ScoringSettings(face_networks=Path(sys.argv[1]), threads=1)
engines = settings.landmark_engines()
measurer = FaceMeasurer(1, settings.image_limits, 2, "metrics", engines)
measurer.warm_up()
data = Path(sys.argv[2]).read_bytes()
photo = measurer.measure_photo(measurer.open(data), ScoreOptions(), Deadline(60), time.perf_counter())
measurer.close()
print(engines.name, len(photo.faces), sorted(name for name in sys.modules if name.split(".")[0] == "mediapipe"))
"""


def test_openvino_s_engine_imports_nothing_of_mediapipe(
    tmp_path: Path, face_networks: FaceGraphs, example_path: Path
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(exported(tmp_path, face_networks)), str(example_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.stdout == "openvino 1 []\n", answer.stderr
