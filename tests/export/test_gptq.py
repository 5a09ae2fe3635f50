"""GPTQ: weights on their 8-bit grid, chosen so that the layer's output changes least."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from facestats_export.gptq import RoundedWeight, round_weight, second_moments
from facestats_export.graph import linear_layers


def nearest(weight: np.ndarray) -> RoundedWeight:
    scale = np.abs(weight).max(0) / 127
    return RoundedWeight(np.rint(weight / scale).astype(np.int8), scale)


def output_error(inputs: np.ndarray, weight: np.ndarray, rounded: RoundedWeight) -> float:
    return float(np.square(inputs @ (weight - rounded.values * rounded.scale)).mean())


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("width", [48, 300])
def test_correlated_inputs_lose_far_less_than_by_rounding_to_nearest(
    width: int, generator: np.random.Generator
) -> None:
    mixing = generator.standard_normal((width // 4, width))
    train, test = (
        (generator.standard_normal((2000, width // 4)) @ mixing + 0.05 * generator.standard_normal((2000, width)))
        for _ in range(2)
    )
    weight = generator.standard_normal((width, 20)).astype(np.float32)
    rounded = round_weight(weight, (train.T @ train).astype(np.float32))
    assert output_error(test, weight, rounded) < 0.3 * output_error(test, weight, nearest(weight))
    assert np.abs(rounded.values.astype(int)).max() == 127
    np.testing.assert_allclose(rounded.scale, np.abs(weight).max(0) / 127, rtol=1e-6)


def test_uncorrelated_inputs_are_rounded_to_nearest(generator: np.random.Generator) -> None:
    weight = generator.standard_normal((40, 8)).astype(np.float32)
    np.testing.assert_array_equal(round_weight(weight, np.eye(40, dtype=np.float32)).values, nearest(weight).values)


def test_unused_inputs_and_zero_outputs_do_no_harm(generator: np.random.Generator) -> None:
    weight = generator.standard_normal((10, 4)).astype(np.float32)
    weight[:, 2] = 0
    for moment in (np.zeros((10, 10), np.float32), np.diag([1.0] * 5 + [0.0] * 5).astype(np.float32)):
        rounded = round_weight(weight, moment)
        np.testing.assert_allclose(rounded.values * rounded.scale, weight, atol=0.51 * rounded.scale.max())
        assert (rounded.values[:, 2] == 0).all()


def test_moments_are_sums_over_all_tokens_of_all_photos(encoder: onnx.ModelProto, pixels: np.ndarray) -> None:
    first = linear_layers(encoder)[0].input
    (moment,) = second_moments(encoder, [first], pixels[:5]).values()
    patches = pixels[:5].reshape(5, 7, 32, 7, 32 * 3).transpose(0, 1, 3, 2, 4).reshape(-1, 3072).astype(np.float64)
    np.testing.assert_allclose(moment, patches.T @ patches, rtol=1e-5)
