"""8 bits: close to fp32, and an image alone or among others is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.calibration import load_calibration
from facestats_export.checkpoints import load_regressor
from facestats_export.graph import linear_layers, regressor_graph
from facestats_export.int8 import INT8_SCHEMES, Rounded, Scheme, choose_int8, round_plainly, round_tower, to_int8
from facestats_export.parity import BATCH_LIMITS, TELLING_SPREAD, OnnxGraphs, batch_dependence
from facestats_export.photos import rounding_files
from facestats_export.proof import Proof
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


@pytest.fixture(scope="module")
def rounded(encoder: onnx.ModelProto) -> Rounded:
    return round_tower(encoder, np.stack([clip_pixels(decode_image(data)) for data in rounding_files()]))


@pytest.mark.parametrize("scheme", INT8_SCHEMES, ids=lambda scheme: scheme.name)
def test_eight_bits_never_mix_images(
    scheme: Scheme,
    encoder: onnx.ModelProto,
    rounded: Rounded,
    head: bytes,
    pixels: np.ndarray,
    reference: np.ndarray,
    tower: SpreadTower,
) -> None:
    quantised = to_int8(rounded, scheme)
    graphs = OnnxGraphs(quantised.SerializeToString(), head)
    drift = np.abs(graphs.answers(pixels).score - reference)
    assert 0 < drift.max() < 10, "a scheme that changes nothing, or everything, is none"
    assert np.corrcoef(graphs.answers(pixels).score, reference)[0, 1] > 0.99
    assert batch_dependence(graphs, pixels, load_calibration(tower.calibration)) <= BATCH_LIMITS["int8"]
    kinds = {node.op_type for node in quantised.graph.node}
    assert ("MatMulIntegerToFloat" in kinds) == scheme.activations
    assert ("DequantizeLinear" in kinds) != scheme.activations


def test_layers_can_be_left_in_fp32(encoder: onnx.ModelProto, rounded: Rounded) -> None:
    def products(scheme: Scheme) -> int:
        return sum(node.op_type == "MatMulIntegerToFloat" for node in to_int8(rounded, scheme).graph.node)

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
    failures = Proof((), dependence, 0.0, 0, 0, "spread", False, None).failures("int8")
    assert failures == [f"a score changes by {dependence:.4f} points with its batch (limit {BATCH_LIMITS['int8']})"]


@pytest.mark.parametrize(
    ("drifts", "chosen", "tried"),
    [((0.5,), 0, 1), ((2.5, 0.9), 1, 2), ((2.5, 2.0, 0.1), 2, 3), ((2.5, 1.5, 2.0), 1, 3)],
    ids=["the fastest", "the next", "the last", "none is good enough"],
)
def test_the_fastest_scheme_within_the_limit_is_chosen(
    drifts: tuple[float, ...],
    chosen: int,
    tried: int,
    encoder: onnx.ModelProto,
    rounded: Rounded,
) -> None:
    measured = iter(drifts)
    model, scheme, costs = choose_int8(rounded, lambda _: next(measured), lambda share: share)
    assert scheme == INT8_SCHEMES[chosen]
    assert list(costs.values()) == list(drifts[:tried])
    assert model == to_int8(rounded, scheme)


def test_every_linear_layer_is_found_and_the_patches_stay_bytes(encoder: onnx.ModelProto, rounded: Rounded) -> None:
    layers = linear_layers(encoder)
    # The patches; query, key, value, output and the MLP's two in each of the tower's two layers.
    assert [layer.weight.shape for layer in layers] == [(3072, 64), *([(64, 64)] * 4 + [(64, 128), (128, 64)]) * 2]
    graph = to_int8(rounded, INT8_SCHEMES[0]).graph
    makers = {name: node for node in graph.node for name in node.output}
    rows = [node.input[0] for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert makers[rows[0]].op_type == "Reshape"
    assert {makers[name].op_type for name in rows[1:]} == {"QuantizeLinear"}


def test_gelu_is_quantised_without_a_sign_and_exactly_at_its_lowest(
    encoder: onnx.ModelProto, rounded: Rounded, pixels: np.ndarray
) -> None:
    model = to_int8(rounded, INT8_SCHEMES[0])
    second = next(layer for layer in linear_layers(encoder) if len(layer.weight) == 128)
    model.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name)
        for name in (second.input, f"{second.input}_rows", f"{second.input}_scale")
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    _, gelu, rows, scale = session.run(None, {"PIXELS": pixels[:4]})
    lowest = -0.2784645 / 1.702
    assert gelu.min() >= lowest - 1e-6
    assert rows.dtype == np.uint8
    assert rows.max() == 255
    assert np.abs(rows * scale + lowest - gelu).max() <= scale.max() * 0.501


def test_plain_rounding_gives_the_same_graph_with_other_numbers(encoder: onnx.ModelProto, rounded: Rounded) -> None:
    """So it is as fast, which is all it is for."""
    plain, careful = (to_int8(tower, INT8_SCHEMES[0]) for tower in (round_plainly(encoder), rounded))
    assert [node.op_type for node in plain.graph.node] == [node.op_type for node in careful.graph.node]
    for layer in linear_layers(encoder):
        weight = round_plainly(encoder).weights[layer.name]
        assert np.abs(weight.values * weight.scale - layer.weight).max() <= weight.scale.max() / 2 + 1e-7
