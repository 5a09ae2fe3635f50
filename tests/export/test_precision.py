"""Half precision and 8 bits: close to fp32, smaller, and an image alone or among others is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from export.calibration import load_calibration
from export.checkpoints import load_regressor
from export.graph import regressor_graph
from export.parity import BATCH_LIMITS, SCORE_LIMITS, TELLING_SPREAD, OnnxGraphs, batch_dependence
from export.precision import INT8_SCHEMES, Scheme, choose_int8, to_fp16, to_int8
from export.proof import Proof
from tests.export.spread_tower import SpreadTower


@pytest.fixture(scope="module")
def head(tower: SpreadTower) -> bytes:
    layers = load_regressor(tower.regressor).layers
    graph: bytes = regressor_graph(layers, load_calibration(tower.calibration)).SerializeToString()
    return graph


@pytest.fixture(scope="module")
def reference(encoder: onnx.ModelProto, head: bytes, pixels: np.ndarray) -> np.ndarray:
    score = OnnxGraphs(encoder.SerializeToString(), head).answers(pixels).score
    assert np.ptp(score) > TELLING_SPREAD
    assert (score > 0).all()
    assert (score < 100).all()
    return score


def weight_bytes(model: onnx.ModelProto) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def test_half_precision(encoder: onnx.ModelProto, head: bytes, pixels: np.ndarray, reference: np.ndarray) -> None:
    half = to_fp16(encoder)
    graphs = OnnxGraphs(half.SerializeToString(), head)
    assert weight_bytes(half) < 0.6 * weight_bytes(encoder)
    assert np.abs(graphs.answers(pixels).score - reference).max() <= SCORE_LIMITS["fp16"]
    assert half.graph.input[0].type == encoder.graph.input[0].type
    assert half.graph.output[0].type == encoder.graph.output[0].type


@pytest.mark.parametrize("scheme", INT8_SCHEMES, ids=lambda scheme: scheme.name)
def test_eight_bits_never_mix_images(
    scheme: Scheme, encoder: onnx.ModelProto, head: bytes, pixels: np.ndarray, reference: np.ndarray, tower: SpreadTower
) -> None:
    quantised = to_int8(encoder, scheme)
    graphs = OnnxGraphs(quantised.SerializeToString(), head)
    drift = np.abs(graphs.answers(pixels).score - reference)
    assert 0 < drift.max() < 10, "a scheme that changes nothing, or everything, is none"
    assert np.corrcoef(graphs.answers(pixels).score, reference)[0, 1] > 0.99
    assert batch_dependence(graphs, pixels, load_calibration(tower.calibration)) <= BATCH_LIMITS["int8"]
    kinds = {node.op_type for node in quantised.graph.node}
    assert ("MatMulInteger" in kinds) == scheme.activations
    assert ("DequantizeLinear" in kinds) != scheme.activations


def test_layers_can_be_left_in_fp32(encoder: onnx.ModelProto) -> None:
    def products(scheme: Scheme) -> int:
        return sum(node.op_type == "MatMulInteger" for node in to_int8(encoder, scheme).graph.node)

    everything = products(Scheme("all", activations=True))
    # The tower's two MLPs go from 64 to 128 and back.
    assert products(Scheme("but the MLP's second", activations=True, without=(128,))) == everything - 2


def test_dynamic_quantisation_mixes_images_and_is_refused(
    encoder: onnx.ModelProto, head: bytes, pixels: np.ndarray, tower: SpreadTower, tmp_path: Path
) -> None:
    onnx.save(encoder, str(tmp_path / "fp32.onnx"))
    quantize_dynamic(
        tmp_path / "fp32.onnx", tmp_path / "int8.onnx", op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8
    )
    calibration = load_calibration(tower.calibration)
    dependence = batch_dependence(OnnxGraphs(str(tmp_path / "int8.onnx"), head), pixels, calibration)
    assert dependence > BATCH_LIMITS["int8"]
    failures = Proof((), dependence, 0.0, 0, 0, "spread", None).failures("int8")
    assert failures == [f"a score changes by {dependence:.4f} points with its batch (limit {BATCH_LIMITS['int8']})"]


@pytest.mark.parametrize(
    ("drifts", "chosen", "tried"),
    [((1.0,), 0, 1), ((5.0, 1.9), 1, 2), ((5.0, 4.0, 0.1), 2, 3), ((5.0, 3.0, 4.0), 1, 3)],
    ids=["the fastest", "the next", "the last", "none is good enough"],
)
def test_the_fastest_scheme_within_the_limit_is_chosen(
    drifts: tuple[float, ...], chosen: int, tried: int, encoder: onnx.ModelProto
) -> None:
    measured = iter(drifts)
    model, scheme, costs = choose_int8(encoder, lambda _: next(measured), 2.0)
    assert scheme == INT8_SCHEMES[chosen]
    assert list(costs.values()) == list(drifts[:tried])
    assert model == to_int8(encoder, scheme)
