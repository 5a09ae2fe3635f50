"""The face networks as CUDA runs them: one batch size inside, any number of pictures outside, the same answers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from facestats.landmarks.networks import SERVED_BATCH, FaceGraphs
from facestats_export.facenets.fixed_batch import with_fixed_batch
from facestats_export.facenets.networks import face_graphs
from tests.export.facenets.test_networks import session


@pytest.fixture(scope="module")
def graphs() -> FaceGraphs:
    return face_graphs()


@pytest.mark.parametrize(("network", "side"), [("detector", 128), ("mesh", 192)])
@pytest.mark.parametrize("count", [1, 5, SERVED_BATCH])
def test_any_number_of_pictures_is_answered_as_without_filling_up(
    network: str, side: int, count: int, graphs: FaceGraphs
) -> None:
    graph = getattr(graphs, network)
    pictures = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    filled, plain = (session(each).run(None, {"PIXELS": pictures}) for each in (with_fixed_batch(graph), graph))
    for ours, theirs in zip(filled, plain, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("network", "side"), [("detector", 128), ("mesh", 192)])
def test_the_network_inside_sees_one_batch_size_only(network: str, side: int, graphs: FaceGraphs) -> None:
    model = onnx.load_from_string(with_fixed_batch(getattr(graphs, network)))
    readers = {node.op_type for node in model.graph.node if "PIXELS" in node.input}
    assert readers == {"Concat", "Shape"}
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info("filled_pictures"))
    opened = session(model.SerializeToString())
    (seen,) = opened.run(["filled_pictures"], {"PIXELS": np.ones((3, side, side, 3), np.uint8)})
    assert seen.shape == (SERVED_BATCH, side, side, 3)
    assert (seen[:3] == 1).all()
    assert (seen[3:] == 0).all()
