"""Holds a model's configured tensors against what its ONNX graph has, as the native backend does before it serves.

Pure functions: no Triton, no ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facestats.models.session_settings import ConfigurationError

WILDCARD = -1
"""A dimension of any size."""

_ONNX_TYPES = {
    "TYPE_BOOL": "tensor(bool)",
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_UINT16": "tensor(uint16)",
    "TYPE_UINT32": "tensor(uint32)",
    "TYPE_UINT64": "tensor(uint64)",
    "TYPE_INT8": "tensor(int8)",
    "TYPE_INT16": "tensor(int16)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT64": "tensor(int64)",
    "TYPE_FP16": "tensor(float16)",
    "TYPE_FP32": "tensor(float)",
    "TYPE_FP64": "tensor(double)",
    "TYPE_STRING": "tensor(string)",
}


@dataclass(frozen=True)
class GraphTensor:
    """An input or output of an ONNX graph.

    Attributes:
        name: Its name.
        type: In ONNX Runtime's notation, such as ``tensor(float)``.
        shape: With the batch axis; -1 for a symbolic dimension.
    """

    name: str
    type: str
    shape: tuple[int, ...]


def graph_tensors(arguments: list[Any]) -> list[GraphTensor]:
    """ONNX Runtime's description of inputs or outputs, with -1 for symbolic dimensions."""
    return [
        GraphTensor(
            argument.name,
            argument.type,
            tuple(size if isinstance(size, int) and size >= 0 else WILDCARD for size in argument.shape),
        )
        for argument in arguments
    ]


def check_tensors(config: Mapping[str, Any], inputs: Sequence[GraphTensor], outputs: Sequence[GraphTensor]) -> None:
    """Checks that the configuration and the graph agree.

    All inputs of the graph must be configured; of its outputs any subset may be.

    Args:
        config: Model configuration in its JSON form.
        inputs: The graph's inputs.
        outputs: The graph's outputs.

    Raises:
        ConfigurationError: A tensor is missing on either side, or has another type or other dimensions, or
            ``max_batch_size`` is positive and a tensor's first dimension is fixed.
    """
    model = config["name"]
    if len(config.get("input", [])) != len(inputs):
        raise ConfigurationError(
            f"unable to load model '{model}', configuration expects {len(config.get('input', []))} inputs, "
            f"model provides {len(inputs)} ({_names(inputs)})"
        )
    if not config.get("output"):
        raise ConfigurationError(f"unable to load model '{model}', configuration names no output")
    for kind, configured, provided in (("input", config["input"], inputs), ("output", config["output"], outputs)):
        tensors = {tensor.name: tensor for tensor in provided}
        for tensor in configured:
            if tensor["name"] not in tensors:
                raise ConfigurationError(
                    f"unable to load model '{model}', unexpected inference {kind} '{tensor['name']}', "
                    f"allowed {kind}s are: {_names(provided)}"
                )
            _check_type(model, kind, tensor, tensors[tensor["name"]])
            _check_shape(model, kind, tensor, tensors[tensor["name"]], int(config.get("max_batch_size", 0)))


def _check_type(model: str, kind: str, configured: Mapping[str, Any], provided: GraphTensor) -> None:
    expected = _ONNX_TYPES.get(configured["data_type"])
    if expected is None:
        raise ConfigurationError(
            f"unable to load model '{model}', unsupported datatype {configured['data_type']} "
            f"for {kind} '{provided.name}'"
        )
    if expected != provided.type:
        raise ConfigurationError(
            f"unable to load model '{model}', configuration expects datatype {configured['data_type']} "
            f"for {kind} '{provided.name}', model provides {provided.type}"
        )


def _check_shape(
    model: str, kind: str, configured: Mapping[str, Any], provided: GraphTensor, max_batch_size: int
) -> None:
    # A reshape tells the shape the graph sees where it differs from the one clients see.
    dims = configured.get("reshape", {}).get("shape", configured["dims"])
    shape = tuple(int(size) for size in dims)
    if max_batch_size > 0:
        if not provided.shape or provided.shape[0] != WILDCARD:
            raise ConfigurationError(
                f"unable to load model '{model}', {kind} '{provided.name}': max_batch_size {max_batch_size} needs a "
                f"symbolic first dimension, the model's shape is {_text(provided.shape)}"
            )
        shape = (WILDCARD, *shape)
    fits = len(shape) == len(provided.shape) and all(
        size in (WILDCARD, configured_size) for size, configured_size in zip(provided.shape, shape, strict=True)
    )
    if not fits:
        raise ConfigurationError(
            f"unable to load model '{model}', {kind} '{provided.name}': the model expects shape "
            f"{_text(provided.shape)} but the configuration specifies {_text(shape)}"
            + (" (with the batch dimension)" if max_batch_size > 0 else "")
        )


def _names(tensors: Sequence[GraphTensor]) -> str:
    return ", ".join(tensor.name for tensor in tensors)


def _text(shape: Sequence[int]) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"
