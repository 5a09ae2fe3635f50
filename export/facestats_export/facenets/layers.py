"""TensorFlow Lite's ordinary operators in ONNX; feature maps lie as batch, channel, height, width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from facestats_export.errors import ExportError
from facestats_export.facenets.tensors import Tensors
from facestats_export.facenets.tflite_file import Operator


def convolution(tensors: Tensors, operator: Operator) -> str:
    """``CONV_2D``: weights are output, height, width, input in the file."""
    weight = tensors.constant(operator.inputs[1])
    return _convolve(tensors, operator, weight.transpose(0, 3, 1, 2), groups=1)


def depthwise_convolution(tensors: Tensors, operator: Operator) -> str:
    """``DEPTHWISE_CONV_2D``: weights are 1, height, width, channel in the file."""
    weight = tensors.constant(operator.inputs[1])
    return _convolve(tensors, operator, weight.transpose(3, 0, 1, 2), groups=weight.shape[3])


def _convolve(tensors: Tensors, operator: Operator, weight: NDArray[Any], groups: int) -> str:
    builder, options = tensors.builder, operator.options
    kernel = weight.shape[2:]
    flow = builder.node(
        "Conv",
        tensors.feature_map(operator.inputs[0]),
        builder.floats(weight),
        builder.floats(tensors.constant(operator.inputs[2])),
        kernel_shape=kernel,
        strides=options["stride"],
        dilations=options["dilation"],
        group=groups,
        pads=_pads(tensors, operator, kernel, options["dilation"]),
    )
    return _activated(tensors, operator, flow)


def max_pooling(tensors: Tensors, operator: Operator) -> str:
    """``MAX_POOL_2D``."""
    kernel, stride = operator.options["kernel"], operator.options["stride"]
    pads = _pads(tensors, operator, kernel, (1, 1))
    source = tensors.feature_map(operator.inputs[0])
    flow = tensors.builder.node("MaxPool", source, kernel_shape=kernel, strides=stride, pads=pads)
    return _activated(tensors, operator, flow)


def prelu(tensors: Tensors, operator: Operator) -> str:
    """``PRELU`` with a slope a channel."""
    slope = tensors.constant(operator.inputs[1]).reshape(-1, 1, 1)
    builder = tensors.builder
    return builder.node("PRelu", tensors.feature_map(operator.inputs[0]), builder.floats(slope))


def relu(tensors: Tensors, operator: Operator) -> str:
    """``RELU``."""
    return tensors.builder.node("Relu", tensors.feature_map(operator.inputs[0]))


def add(tensors: Tensors, operator: Operator) -> str:
    """``ADD`` of two feature maps."""
    first, second = (tensors.feature_map(number) for number in operator.inputs)
    return _activated(tensors, operator, tensors.builder.node("Add", first, second))


def pad(tensors: Tensors, operator: Operator) -> str:
    """``PAD`` with zeros."""
    before_after = tensors.constant(operator.inputs[1])[[0, 3, 1, 2]]
    builder = tensors.builder
    return builder.node("Pad", tensors.feature_map(operator.inputs[0]), builder.integers(before_after.T.reshape(-1)))


def reshape(tensors: Tensors, operator: Operator) -> str:
    """``RESHAPE`` that leaves the batch axis alone."""
    shape = [-1, *tensors.network.shapes[operator.output][1:]]
    builder = tensors.builder
    return builder.node("Reshape", tensors.value(operator.inputs[0]), builder.integers(shape))


def concatenation(tensors: Tensors, operator: Operator) -> str:
    """``CONCATENATION``."""
    values = (tensors.value(number) for number in operator.inputs)
    return tensors.builder.node("Concat", *values, axis=operator.options["axis"])


def multiplication(tensors: Tensors, operator: Operator) -> str:
    """``MUL`` by a constant, of anything but a feature map."""
    value, factor = operator.inputs
    builder = tensors.builder
    return builder.node("Mul", tensors.value(value), builder.floats(tensors.constant(factor)))


def whole_slice(tensors: Tensors, operator: Operator) -> str:
    """``STRIDED_SLICE`` that takes everything, which is all these networks do with it."""
    value = operator.inputs[0]
    if tensors.network.shapes[value] != tensors.network.shapes[operator.output]:
        raise ExportError("the network slices a tensor, which is not known here.")
    return tensors.value(value)


def _pads(tensors: Tensors, operator: Operator, kernel: tuple[int, ...], dilation: tuple[int, int]) -> list[int]:
    """TensorFlow's padding ``same``: the odd row and column go to the end. ONNX's order is all starts, all ends."""
    if operator.options["padding"] == "valid":
        return [0, 0, 0, 0]
    _, *sides, _ = tensors.network.shapes[operator.inputs[0]]
    starts, ends = [], []
    for axis, side in enumerate(sides):
        stride = operator.options["stride"][axis]
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        missing = max((-(-side // stride) - 1) * stride + reach - side, 0)
        starts.append(missing // 2)
        ends.append(missing - missing // 2)
    return starts + ends


def _activated(tensors: Tensors, operator: Operator, flow: str) -> str:
    activation = operator.options["activation"]
    return flow if activation is None else tensors.builder.node(activation, flow)


FEATURE_MAP_OPERATORS: Mapping[str, Callable[[Tensors, Operator], str]] = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise_convolution,
    "MAX_POOL_2D": max_pooling,
    "PRELU": prelu,
    "RELU": relu,
    "ADD": add,
    "PAD": pad,
}
"""What computes feature maps."""

OPERATORS: Mapping[str, Callable[[Tensors, Operator], str]] = {
    "RESHAPE": reshape,
    "CONCATENATION": concatenation,
    "MUL": multiplication,
    "STRIDED_SLICE": whole_slice,
}
"""What computes anything else."""
