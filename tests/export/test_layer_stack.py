"""Folding a network's parts into linear layers with ReLU between them."""

from __future__ import annotations

import numpy as np
import pytest

from facestats_export.layer_stack import BatchNorm, NotAStackError, Operation, Relu, fold, operations_of_state_dict
from facestats_export.regressor import Layer, run_layers

RANDOM = np.random.default_rng(0)


def linear(into: int, out: int) -> Layer:
    return Layer(RANDOM.normal(size=(out, into)).astype(np.float32), RANDOM.normal(size=out).astype(np.float32))


def norm(width: int) -> BatchNorm:
    weight, bias, mean = (RANDOM.normal(size=width).astype(np.float32) for _ in range(3))
    return BatchNorm(weight, bias, mean, RANDOM.uniform(0.1, 2, width).astype(np.float32), 1e-5)


def computed(operations: list[Operation], inputs: np.ndarray) -> np.ndarray:
    """One operation after the other, as written."""
    flow = inputs.astype(float)
    for operation in operations:
        if isinstance(operation, Relu):
            flow = np.maximum(flow, 0)
        elif isinstance(operation, Layer):
            flow = flow @ operation.weight.T.astype(float) + operation.bias
        else:
            spread = np.sqrt(operation.variance.astype(float) + operation.epsilon)
            flow = (flow - operation.mean) / spread * operation.weight + operation.bias
    return flow


@pytest.mark.parametrize(
    ("operations", "layers"),
    [
        ([linear(6, 4), Relu(), linear(4, 1)], 2),
        ([linear(6, 4), norm(4), Relu(), linear(4, 1)], 2),
        ([linear(6, 4), Relu(), norm(4), linear(4, 1)], 2),
        ([norm(6), linear(6, 4), Relu(), linear(4, 1), norm(1)], 2),
        ([norm(6), norm(6), linear(6, 1)], 1),
        ([linear(6, 4), linear(4, 3), norm(3), Relu(), linear(3, 1)], 2),
    ],
    ids=["plain", "norm before ReLU", "norm after ReLU", "norms at the ends", "two norms", "two linear layers"],
)
def test_folded_layers_compute_the_same(operations: list[Operation], layers: int) -> None:
    folded = fold(operations)
    inputs = RANDOM.normal(size=(20, 6)).astype(np.float32)
    expected = computed(operations, inputs)
    assert np.ptp(expected) > 0.1
    assert len(folded) == layers
    np.testing.assert_allclose(run_layers(folded, inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("operations", "why"),
    [
        ([], "end in a linear"),
        ([linear(6, 4), Relu()], "end in a linear"),
        ([Relu(), linear(6, 4)], "ReLU"),
        ([linear(6, 4), Relu(), norm(4)], "end in a linear"),
        ([linear(6, 4), linear(3, 1)], "widths"),
        ([linear(6, 4), norm(3)], "widths"),
    ],
    ids=["nothing", "ReLU last", "ReLU first", "norm last", "widths", "width of a norm"],
)
def test_what_is_no_stack_is_refused(operations: list[Operation], why: str) -> None:
    with pytest.raises(NotAStackError, match=why):
        fold(operations)


def test_numbers_order_the_layers_not_the_alphabet() -> None:
    tensors: dict[str, np.ndarray] = {}
    for number, (into, out) in zip((0, 2, 10), ((6, 5), (5, 4), (4, 1)), strict=True):
        layer = linear(into, out)
        tensors |= {f"net.{number}.weight": layer.weight, f"net.{number}.bias": layer.bias}
    shapes = [part.weight.shape for part in operations_of_state_dict(tensors) if isinstance(part, Layer)]
    assert shapes == [(5, 6), (4, 5), (1, 4)]


@pytest.mark.parametrize("part", ["in_proj_weight", "weight_ih_l0"])
def test_other_kinds_of_layers_are_refused(part: str) -> None:
    with pytest.raises(NotAStackError, match=part):
        operations_of_state_dict({f"0.{part}": np.zeros((4, 4)), "1.weight": np.zeros((1, 4))})


def test_a_norm_whose_place_is_unknown_is_refused() -> None:
    statistics = {f"norm.{part}": np.ones(4) for part in ("weight", "bias", "running_mean", "running_var")}
    with pytest.raises(NotAStackError, match="TorchScript"):
        operations_of_state_dict({"one.weight": np.ones((4, 6))} | statistics | {"two.weight": np.ones((1, 4))})
