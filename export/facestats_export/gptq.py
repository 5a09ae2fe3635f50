"""Rounds weights to 8 bits so that what a layer computes changes least, not the weights themselves.

GPTQ (Frantar et al., 2023): a column of inputs is rounded after the other, and what its rounding changed is made up for
by those still to come, as far as the inputs are correlated. It needs the second moments of the layer's inputs, from a
few photos, and costs nothing when served.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

LARGEST = 127
"""Of a signed 8-bit weight; symmetric."""

_DAMPING = 0.01
"""Added to the moments' diagonal, as a share of its mean: the paper's."""

_BLOCK = 128
"""Inputs after which the remaining weights are brought up to date; only speed depends on it."""

_BATCH = 4


@dataclass(frozen=True)
class RoundedWeight:
    """A weight in 8 bits.

    Attributes:
        values: [inputs, outputs] int8.
        scale: [outputs] float32; the weight is ``values * scale``.
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]


def second_moments(
    model: onnx.ModelProto, tensors: Sequence[str], pixels: NDArray[np.uint8]
) -> dict[str, NDArray[np.float32]]:
    """Sums of products of every two channels, over all tokens of all photos.

    Args:
        model: The fp32 graph.
        tensors: Names of float tensors in it, [..., channels].
        pixels: [N, 224, 224, 3] uint8.

    Returns:
        [channels, channels] for each tensor.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in tensors)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    moments: dict[str, Any] = {}
    for start in range(0, len(pixels), _BATCH):
        batch = pixels[start : start + _BATCH]
        for name, values in zip(tensors, session.run(list(tensors), {"PIXELS": batch}), strict=True):
            rows = values.reshape(-1, values.shape[-1])
            moments[name] = moments.get(name, 0) + rows.T @ rows
    return moments


def round_to_nearest(weight: NDArray[np.float32]) -> RoundedWeight:
    """Rounds one weight, [inputs, outputs], to 8 bits with a scale for each output, each number by itself."""
    scale = _scale(weight)
    return RoundedWeight(np.rint(weight / scale).clip(-LARGEST, LARGEST).astype(np.int8), scale)


def round_weight(weight: NDArray[np.float32], moment: NDArray[np.float32]) -> RoundedWeight:
    """Rounds one weight to 8 bits with a scale for each output.

    Args:
        weight: [inputs, outputs].
        moment: [inputs, inputs], of the layer's inputs.
    """
    remaining = weight.astype(np.float64)
    scale = _scale(weight)
    inputs = len(weight)
    # A channel that no photo uses must not make the moments singular.
    damping = _DAMPING * max(float(np.trace(moment)) / inputs, 1e-12)
    inverse = np.linalg.inv(moment.astype(np.float64) + damping * np.eye(inputs))
    factor = np.linalg.cholesky(inverse).T
    values = np.empty(weight.shape, np.int8)
    for start in range(0, inputs, _BLOCK):
        end = min(start + _BLOCK, inputs)
        errors = np.empty((end - start, weight.shape[1]))
        for index in range(start, end):
            rounded = np.rint(remaining[index] / scale).clip(-LARGEST, LARGEST)
            values[index] = rounded
            error = (remaining[index] - rounded * scale) / factor[index, index]
            remaining[index:end] -= np.outer(factor[index, index:end], error)
            errors[index - start] = error
        remaining[end:] -= factor[start:end, end:].T @ errors
    return RoundedWeight(values, scale)


def _scale(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """[outputs]: the largest weight of each output is the largest 8-bit number."""
    scale: NDArray[np.float32] = np.maximum(np.abs(weight.astype(np.float64)).max(0) / LARGEST, 1e-12).astype(
        np.float32
    )
    return scale
