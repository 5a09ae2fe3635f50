"""Half precision: close to fp32, half the size, the same inputs and outputs."""

from __future__ import annotations

import numpy as np
import onnx

from facestats_export.calibration import load_calibration
from facestats_export.checkpoints import load_regressor
from facestats_export.drift import FaceScale, compare
from facestats_export.fp16 import to_fp16
from facestats_export.graph import regressor_graph
from facestats_export.parity import TELLING_SPREAD, OnnxGraphs
from tests.export.spread_tower import SpreadTower


def weight_bytes(model: onnx.ModelProto) -> int:
    """Of all but the patch embedding, which stays in fp32."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer if list(tensor.dims) != [3072, 64])


def test_half_precision(encoder: onnx.ModelProto, tower: SpreadTower, pixels: np.ndarray) -> None:
    regressor = load_regressor(tower.regressor)
    head = regressor_graph(regressor.layers, load_calibration(tower.calibration)).SerializeToString()
    reference = OnnxGraphs(encoder.SerializeToString(), head).answers(pixels)
    assert np.ptp(reference.score) > TELLING_SPREAD
    half = to_fp16(encoder)
    assert weight_bytes(half) < 0.6 * weight_bytes(encoder)
    found = compare("half", reference, OnnxGraphs(half.SerializeToString(), head).answers(pixels), FaceScale(regressor))
    assert 0 < found.share_of_limits("fp16", photos_differ=False) <= 1
    assert found.share_of_limits("fp32", photos_differ=False) > 1
    assert found.score.worst < 0.5
    assert half.graph.input[0].type == encoder.graph.input[0].type
    assert half.graph.output[0].type == encoder.graph.output[0].type
