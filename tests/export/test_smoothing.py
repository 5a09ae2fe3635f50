"""Channels are evened out and the function stays what it was."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks.int8_schemes import with_outliers
from facestats_export.clip import load_clip
from facestats_export.gptq import second_moments
from facestats_export.graph import export_clip, linear_layers
from facestats_export.smoothing import smoothed
from facestats_export.tower import ServedTower
from tests.export.spread_tower import SpreadTower


@pytest.fixture(scope="module")
def uneven(tower: SpreadTower) -> onnx.ModelProto:
    """The tower with a few channels thirty times larger than the rest."""
    return export_clip(ServedTower(with_outliers(load_clip(str(tower.snapshot), print))))


def moments(model: onnx.ModelProto, pixels: np.ndarray) -> dict[str, np.ndarray]:
    return second_moments(model, sorted({layer.input for layer in linear_layers(model)}), pixels)


def unevenness(moment: np.ndarray) -> float:
    size = np.sqrt(np.diagonal(moment))
    return float(size.max() / np.median(size))


def embed(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(["EMBEDDING"], {"PIXELS": pixels})[0])


def test_what_layer_norms_give_is_even_and_the_embedding_the_same(uneven: onnx.ModelProto, pixels: np.ndarray) -> None:
    before = moments(uneven, pixels[:8])
    even = smoothed(uneven, before)
    onnx.checker.check_model(even)
    np.testing.assert_allclose(embed(even, pixels[8:]), embed(uneven, pixels[8:]), atol=2e-6)
    after = moments(even, pixels[:8])
    norms = {node.output[0] for node in uneven.graph.node if node.op_type == "LayerNormalization"} & before.keys()
    # Two in the first layer, three in the last.
    assert len(norms) == 5
    assert sum(unevenness(before[name]) > 15 for name in norms) >= 3
    for name in norms:
        assert unevenness(after[name]) < 5
    for name in before.keys() - norms:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-3 * np.abs(before[name]).max())


def test_a_channel_that_is_always_zero_does_no_harm(encoder: onnx.ModelProto, pixels: np.ndarray) -> None:
    empty = {name: np.zeros_like(moment) for name, moment in moments(encoder, pixels[:2]).items()}
    np.testing.assert_allclose(embed(smoothed(encoder, empty), pixels), embed(encoder, pixels), atol=2e-6)
