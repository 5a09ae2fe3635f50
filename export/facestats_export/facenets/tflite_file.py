"""Reads a TensorFlow Lite file: its operators in order, their options, its tensors and constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from facestats_export.errors import ExportError

_DATA_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
_OPERATOR_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
_PADDINGS = {tflite.Padding.SAME: "same", tflite.Padding.VALID: "valid"}
_ACTIVATIONS = {tflite.ActivationFunctionType.NONE: None, tflite.ActivationFunctionType.RELU: "Relu"}


@dataclass(frozen=True)
class Operator:
    """One step of a network.

    Attributes:
        name: TensorFlow Lite's name, or the custom operator's.
        inputs: Tensor numbers; -1 for one that is left out.
        output: Tensor number.
        options: By name: ``stride``, ``dilation`` and ``kernel`` (height, width), ``padding`` (``same`` or ``valid``),
            ``activation`` (an ONNX operator or None), ``axis``; a custom operator's own.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Network:
    """A network as the file describes it; feature maps are batch, height, width, channel.

    Attributes:
        operators: In the order of their running.
        shapes: Tensor number to shape, the batch axis 1.
        constants: Tensor number to value.
        inputs: Tensor numbers.
        outputs: Name to tensor number.
    """

    operators: tuple[Operator, ...]
    shapes: Mapping[int, tuple[int, ...]]
    constants: Mapping[int, NDArray[Any]]
    inputs: tuple[int, ...]
    outputs: Mapping[str, int]


def read_network(path: Path) -> Network:
    """Reads a network of one subgraph.

    Raises:
        ExportError: The file is missing or no such network.
    """
    try:
        model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    except OSError as error:
        raise ExportError(f"the network '{path}' cannot be read ({error.strerror}).") from error
    if model.SubgraphsLength() != 1:
        raise ExportError(f"'{path.name}' has {model.SubgraphsLength()} subgraphs, not one.")
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    shapes = {
        index: tuple(tensor.ShapeAsNumpy().tolist()) if tensor.ShapeLength() else ()
        for index, tensor in enumerate(tensors)
    }
    constants: dict[int, NDArray[Any]] = {}
    for index, tensor in enumerate(tensors):
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            if tensor.Type() not in _DATA_TYPES:
                raise ExportError(f"'{path.name}' has constants of an unknown type ({tensor.Type()}).")
            values = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DATA_TYPES[tensor.Type()])
            constants[index] = values.reshape(shapes[index])
    return Network(
        operators=tuple(_operator(model, graph.Operators(index)) for index in range(graph.OperatorsLength())),
        shapes=shapes,
        constants=constants,
        inputs=tuple(graph.InputsAsNumpy().tolist()),
        outputs={tensors[number].Name().decode(): number for number in graph.OutputsAsNumpy().tolist()},
    )


def _operator(model: Any, operator: Any) -> Operator:
    declaration = model.OperatorCodes(operator.OpcodeIndex())
    # Files of before TensorFlow Lite's 127th operator say it in the older field.
    code = max(declaration.BuiltinCode(), declaration.DeprecatedBuiltinCode())
    inputs = tuple(operator.InputsAsNumpy().tolist())
    (output,) = operator.OutputsAsNumpy().tolist()
    if code == tflite.BuiltinOperator.CUSTOM:
        return Operator(declaration.CustomCode().decode(), inputs, output, _custom_options(operator))
    name = _OPERATOR_NAMES[code]
    return Operator(name, inputs, output, _options(name, operator))


def _custom_options(operator: Any) -> Mapping[str, Any]:
    if not operator.CustomOptionsLength():
        return {}
    options = flexbuffers.Loads(operator.CustomOptionsAsNumpy().tobytes())
    assert isinstance(options, dict)
    return options


def _options(name: str, operator: Any) -> Mapping[str, Any]:
    if name not in _READERS:
        return {}
    table_type, read = _READERS[name]
    table = operator.BuiltinOptions()
    options = table_type()
    options.Init(table.Bytes, table.Pos)
    return read(options)


def _convolution(options: Any) -> dict[str, Any]:
    return {
        "stride": (options.StrideH(), options.StrideW()),
        "dilation": (options.DilationHFactor(), options.DilationWFactor()),
        "padding": _PADDINGS[options.Padding()],
    } | _activation(options)


def _pooling(options: Any) -> dict[str, Any]:
    return {
        "kernel": (options.FilterHeight(), options.FilterWidth()),
        "stride": (options.StrideH(), options.StrideW()),
        "padding": _PADDINGS[options.Padding()],
    } | _activation(options)


def _activation(options: Any) -> dict[str, Any]:
    activation = options.FusedActivationFunction()
    if activation not in _ACTIVATIONS:
        raise ExportError(f"the network has an activation that is not known here ({activation}).")
    return {"activation": _ACTIVATIONS[activation]}


def _concatenation(options: Any) -> dict[str, Any]:
    return {"axis": options.Axis()} | _activation(options)


_READERS: Mapping[str, tuple[Any, Callable[[Any], dict[str, Any]]]] = {
    "CONV_2D": (tflite.Conv2DOptions, _convolution),
    "DEPTHWISE_CONV_2D": (tflite.DepthwiseConv2DOptions, _convolution),
    "MAX_POOL_2D": (tflite.Pool2DOptions, _pooling),
    "ADD": (tflite.AddOptions, _activation),
    "MUL": (tflite.MulOptions, _activation),
    "CONCATENATION": (tflite.ConcatenationOptions, _concatenation),
}
