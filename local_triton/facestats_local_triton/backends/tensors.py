"""Holds a model's configured tensors against what its graph has, as the native backends do before they serve.

Pure functions: no Triton, no runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facestats.models.parameters import ConfigurationError

WILDCARD = -1
"""A dimension of any size."""

_TYPES = frozenset(
    f"TYPE_{name}"
    for name in (
        *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
        *("FP16", "FP32", "FP64", "STRING"),
    )
)


@dataclass(frozen=True)
class GraphTensor:
    """An input or output of a graph.

    Attributes:
        name: Its name.
        type: Triton's name of it, such as ``TYPE_FP32``; the runtime's own where Triton has none.
        shape: With the batch axis; -1 for a symbolic dimension.
    """

    name: str
    type: str
    shape: tuple[int, ...]


def check_tensors(config: Mapping[str, Any], inputs: Sequence[GraphTensor], outputs: Sequence[GraphTensor]) -> None:
    """Checks that the configuration and the graph agree.

    All inputs of the graph must be configured; of its outputs any subset may be.

    Args:
        config: Model configuration in its JSON form.
        inputs: The graph's inputs.
        outputs: The graph's outputs.

    Raises:
        ConfigurationError: A tensor is missing on either side, or has another type or other dimensions, or
            ``max_batch_size`` is positive and a tensor's first dimension is fixed; or the configuration asks for what
            only the native backends can do (state, batch inputs and outputs, ragged batches).
    """
    model = config["name"]
    _refuse_what_only_native_backends_do(config)
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


def _refuse_what_only_native_backends_do(config: Mapping[str, Any]) -> None:
    sequence = config.get("sequence_batching", {})
    native = {
        "sequence_batching.control_input": sequence.get("control_input"),
        "sequence_batching.state": sequence.get("state"),
        "batch_input": config.get("batch_input"),
        "batch_output": config.get("batch_output"),
    }
    for name, value in native.items():
        if value:
            raise ConfigurationError(
                f"unable to load model '{config['name']}', '{name}' is not supported by the container-free backend"
            )


def _check_type(model: str, kind: str, configured: Mapping[str, Any], provided: GraphTensor) -> None:
    if configured["data_type"] not in _TYPES:
        raise ConfigurationError(
            f"unable to load model '{model}', unsupported datatype {configured['data_type']} "
            f"for {kind} '{provided.name}'"
        )
    if configured["data_type"] != provided.type:
        raise ConfigurationError(
            f"unable to load model '{model}', configuration expects datatype {configured['data_type']} "
            f"for {kind} '{provided.name}', model provides {provided.type}"
        )


def _check_shape(
    model: str, kind: str, configured: Mapping[str, Any], provided: GraphTensor, max_batch_size: int
) -> None:
    if configured.get("optional") and max_batch_size > 0:
        raise ConfigurationError(
            f"unable to load model '{model}', optional input '{provided.name}' is not supported for models that "
            "support batching"
        )
    if configured.get("allow_ragged_batch"):
        _refuse_ragged(model, configured, provided)
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
    # What a symbolic dimension of an output becomes is not known before it runs, so that none can be promised.
    fits = len(shape) == len(provided.shape) and all(
        size == configured_size or (size == WILDCARD and kind == "input")
        for size, configured_size in zip(provided.shape, shape, strict=True)
    )
    if not fits:
        raise ConfigurationError(
            f"unable to load model '{model}', {kind} '{provided.name}': the model expects shape "
            f"{_text(provided.shape)} but the configuration specifies {_text(shape)}"
            + (" (with the batch dimension)" if max_batch_size > 0 else "")
        )


def _refuse_ragged(model: str, configured: Mapping[str, Any], provided: GraphTensor) -> None:
    if configured.get("optional"):
        raise ConfigurationError(
            f"unable to load model '{model}', ragged input '{provided.name}' is not supported for optional input"
        )
    if provided.shape != (WILDCARD,):
        raise ConfigurationError(
            f"unable to load model '{model}', configuration expects model provides input with shape [-1] for ragged "
            f"input '{provided.name}', model provides {_text(provided.shape)}"
        )
    raise ConfigurationError(
        f"unable to load model '{model}', ragged input '{provided.name}' is not supported by the container-free backend"
    )


def _names(tensors: Sequence[GraphTensor]) -> str:
    return ", ".join(tensor.name for tensor in tensors)


def _text(shape: Sequence[int]) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"
