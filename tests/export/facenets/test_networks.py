"""MediaPipe's two networks as ONNX: their tensors, any batch, the same bytes again, and clear words for other files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from facestats.landmarks.networks import FaceGraphs
from facestats_export.errors import ExportError
from facestats_export.facenets.networks import detector_graph, face_graphs, mediapipe_folder
from facestats_export.facenets.tflite_file import read_network


@pytest.fixture(scope="module")
def graphs() -> FaceGraphs:
    return face_graphs()


def session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("network", "side", "outputs"),
    [
        ("detector", 128, {"BOXES": [896, 16], "LOGITS": [896, 1]}),
        ("mesh", 192, {"LANDMARKS": [478, 3], "FACE_LOGIT": [1]}),
    ],
)
def test_tensors_are_the_ones_of_the_model_repository(
    network: str, side: int, outputs: dict[str, list[int]], graphs: FaceGraphs
) -> None:
    opened = session(getattr(graphs, network))
    (pixels,) = opened.get_inputs()
    assert (pixels.name, pixels.type, pixels.shape) == ("PIXELS", "tensor(uint8)", ["batch", side, side, 3])
    assert {item.name: item.shape for item in opened.get_outputs()} == {
        name: ["batch", *shape] for name, shape in outputs.items()
    }


@pytest.mark.parametrize(("network", "side"), [("detector", 128), ("mesh", 192)])
def test_a_picture_s_answer_does_not_depend_on_its_batch(network: str, side: int, graphs: FaceGraphs) -> None:
    opened = session(getattr(graphs, network))
    pictures = np.random.default_rng(0).integers(0, 256, (5, side, side, 3), np.uint8)
    together = opened.run(None, {"PIXELS": pictures})
    assert np.ptp(together[0], axis=0).max() > 0.01, "the pictures' answers differ"
    for index, picture in enumerate(pictures):
        for alone, all_of_them in zip(opened.run(None, {"PIXELS": picture[np.newaxis]}), together, strict=True):
            np.testing.assert_allclose(alone[0], all_of_them[index], rtol=0, atol=2e-3)


def test_converting_again_gives_the_same_bytes(graphs: FaceGraphs) -> None:
    assert face_graphs() == graphs


def test_without_mediapipe_it_is_said_where_the_networks_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"MediaPipe's wheel.*mediapipe==0\.10\.21"):
        face_graphs()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"absent\.tflite"):
        read_network(tmp_path / "absent.tflite")


def test_an_operator_that_is_not_known_is_named() -> None:
    network = read_network(mediapipe_folder() / "modules/face_detection/face_detection_short_range.tflite")
    first, *others = network.operators
    changed = replace(network, operators=(replace(first, name="FFT2D"), *others))
    with pytest.raises(ExportError, match="FFT2D"):
        detector_graph(changed)


def test_a_network_without_the_outputs_is_refused() -> None:
    network = read_network(mediapipe_folder() / "modules/face_detection/face_detection_short_range.tflite")
    renamed = {f"other_{name}": number for name, number in network.outputs.items()}
    with pytest.raises(ExportError, match="no output 'regressors'"):
        detector_graph(replace(network, outputs=renamed))


def test_graphs_pass_onnx_own_check(graphs: FaceGraphs) -> None:
    for graph in (graphs.detector, graphs.mesh):
        onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
