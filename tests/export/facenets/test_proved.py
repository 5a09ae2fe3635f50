"""The proof against MediaPipe's own graph, and what it says of networks that are not MediaPipe's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from facestats.landmarks.golden import GOLDEN_LIMIT, read_golden_face
from facestats.landmarks.mediapipe_engine import MediaPipeEngine
from facestats.landmarks.network_engine import NetworkEngine
from facestats.landmarks.networks import FaceGraphs
from facestats.landmarks.openvino_networks import CompiledNetworks, OpenVinoNetworks
from facestats_export.errors import ExportError
from facestats_export.facenets.parity import LANDMARK_LIMIT, MediaPipeFaces, compare_landmarks
from facestats_export.facenets.proved import ProvedNetworks, prove_networks


@pytest.fixture(scope="module")
def proved(face: bytes) -> ProvedNetworks:
    return prove_networks([face])


@pytest.fixture(scope="module")
def reference() -> Iterator[MediaPipeEngine]:
    with closing(MediaPipeEngine()) as engine:
        yield engine


def test_both_runtimes_find_mediapipe_s_landmarks(proved: ProvedNetworks) -> None:
    assert [item.engine for item in proved.comparisons] == ["openvino", "onnxruntime"]
    for item in proved.comparisons:
        assert item.failures() == []
        assert item.photos == 2
        assert 0 < item.mean <= item.worst <= LANDMARK_LIMIT


def test_the_mesh_s_file_carries_a_golden_face(proved: ProvedNetworks, reference: MediaPipeEngine) -> None:
    metadata = {item.key: item.value for item in onnx.load_from_string(proved.graphs.mesh).metadata_props}
    golden = read_golden_face(metadata.get)
    assert golden is not None
    assert golden.drift(NetworkEngine(OpenVinoNetworks(CompiledNetworks(proved.graphs, 1)))) < GOLDEN_LIMIT
    assert golden.drift(reference) == pytest.approx(0, abs=1e-3)


def test_landmarks_that_are_off_fail_the_proof(
    proved: ProvedNetworks, reference: MediaPipeEngine, photo: np.ndarray
) -> None:
    """As bf16 would be: each weight rounded to eight bits of mantissa."""
    model = onnx.load_from_string(proved.graphs.mesh)
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.ndim == 4:
            rounded = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
            constant.CopyFrom(numpy_helper.from_array(rounded, constant.name))
    coarse = FaceGraphs(proved.graphs.detector, model.SerializeToString())
    for item in compare_landmarks(coarse, MediaPipeFaces.of(reference, [photo])):
        (failure,) = item.failures()
        assert "worst landmark" in failure
        assert str(LANDMARK_LIMIT) in failure


def test_photos_without_a_face_prove_nothing(reference: MediaPipeEngine) -> None:
    with pytest.raises(ExportError, match="no parity photo shows a face"):
        MediaPipeFaces.of(reference, [np.zeros((64, 64, 3), np.uint8)])
