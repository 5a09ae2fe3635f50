"""A network's parts, in order, folded into linear layers with ReLU between them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats_export.regressor import Layer

BATCH_NORM_EPSILON = 1e-5
"""PyTorch's default; a state dict does not say which one was used."""

_NUMBERED = re.compile(r"^(?P<parent>(?:.*\.)?)(?P<number>\d+)$")
_STATISTICS = {"running_mean", "running_var"}
_AFFINE = {"weight", "bias"}


class NotAStackError(ValueError):
    """The network is not one of linear layers with ReLU between them; the message says what it has instead."""


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation as it computes after training: an affine map of each channel.

    Attributes:
        weight: [channels], the learned scale.
        bias: [channels], the learned shift.
        mean: [channels], the running mean.
        variance: [channels], the running variance.
        epsilon: Added to the variance.
    """

    weight: NDArray[Any]
    bias: NDArray[Any]
    mean: NDArray[Any]
    variance: NDArray[Any]
    epsilon: float

    def scale_and_shift(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The affine map, y = scale x + shift."""
        scale = self.weight.astype(np.float64) / np.sqrt(self.variance.astype(np.float64) + self.epsilon)
        return scale, self.bias - self.mean * scale


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


Operation = Layer | BatchNorm | Relu


def fold(operations: Sequence[Operation]) -> tuple[Layer, ...]:
    """Folds batch normalisation into its neighbouring linear layers, and linear layers without ReLU between them.

    Raises:
        NotAStackError: There is no linear layer, widths do not fit, or a ReLU stands where none can.
    """
    stack: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    open_layer = False
    before: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    try:
        for operation in operations:
            if isinstance(operation, Relu):
                if not open_layer or before:
                    raise NotAStackError("a ReLU does not follow a linear layer")
                open_layer = False
                continue
            if isinstance(operation, BatchNorm):
                scale, shift = operation.scale_and_shift()
                if open_layer:
                    weight, bias = stack[-1]
                    stack[-1] = (weight * scale[:, None], bias * scale + shift)
                else:
                    before.append((scale, shift))
                continue
            weight, bias = operation.weight.astype(np.float64), operation.bias.astype(np.float64)
            for scale, shift in reversed(before):
                weight, bias = weight * scale, bias + weight @ shift
            before.clear()
            if open_layer:
                weight, bias = weight @ stack[-1][0], weight @ stack[-1][1] + bias
                stack.pop()
            stack.append((weight, bias))
            open_layer = True
    except ValueError as error:
        if isinstance(error, NotAStackError):
            raise
        raise NotAStackError(f"the widths of its parts do not fit ({error})") from error
    if before or not stack or not open_layer:
        raise NotAStackError("it does not end in a linear layer")
    return tuple(Layer(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in stack)


def operations_of_state_dict(tensors: Mapping[str, NDArray[Any]]) -> list[Operation]:
    """The parts of a stack of linear layers, ReLU, dropout and batch normalisation, in order.

    A state dict names only the parts that have weights, in the order of their definition; between two linear layers a
    ReLU is assumed. In an ``nn.Sequential`` the parts are numbered: batch normalisation stands before the ReLU if it
    directly follows its linear layer, and after it if it directly precedes the next one.

    Raises:
        NotAStackError: There are other keys, or the place of a batch normalisation cannot be told.
    """
    modules: dict[str, dict[str, NDArray[Any]]] = {}
    for key, value in tensors.items():
        name, _, part = key.rpartition(".")
        modules.setdefault(name, {})[part] = value
    places = _places(list(modules))
    linear = {places[name] for name, parts in modules.items() if parts.get("weight", np.empty(0)).ndim == 2}
    operations: list[Operation] = []
    for name in sorted(modules, key=lambda name: places[name]):
        parts, place = modules[name], places[name]
        if place in linear:
            if not parts.keys() <= {"weight", "bias"}:
                raise NotAStackError(f"'{name}' has {', '.join(sorted(parts))}")
            if operations and isinstance(operations[-1], Layer):
                operations.append(Relu())
            weight = parts["weight"].astype(np.float32)
            operations.append(Layer(weight, parts.get("bias", np.zeros(len(weight))).astype(np.float32)))
        elif parts.keys() - {"num_batches_tracked"} in (_STATISTICS, _STATISTICS | _AFFINE):
            mean, variance = parts["running_mean"], parts["running_var"]
            weight, bias = parts.get("weight", np.ones_like(mean)), parts.get("bias", np.zeros_like(mean))
            norm = BatchNorm(weight, bias, mean, variance, BATCH_NORM_EPSILON)
            if place - 1 in linear:
                operations += [norm] if place > max(linear) else [norm, Relu()]
            elif place + 1 in linear:
                operations += [Relu(), norm] if operations else [norm]
            else:
                raise NotAStackError(
                    f"the place of batch normalisation '{name}' cannot be told; give TorchScript, with --trust-pickle"
                )
        else:
            raise NotAStackError(f"'{name}' has {', '.join(sorted(parts))}")
    return operations


def _places(names: list[str]) -> dict[str, int]:
    """The number of each part in its ``nn.Sequential``, or, of named parts, twice its place in the definition.

    Twice, so that no named part counts as the direct neighbour of another.
    """
    matches = [_NUMBERED.match(name) for name in names]
    if len({match["parent"] if match else None for match in matches}) == 1 and matches[0]:
        return {name: int(match["number"]) for name, match in zip(names, matches, strict=True) if match}
    return {name: 2 * index for index, name in enumerate(names)}
