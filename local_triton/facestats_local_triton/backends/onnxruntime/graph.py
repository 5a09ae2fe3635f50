"""ONNX Runtime's description of a graph, in Triton's terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facestats_local_triton.backends.tensors import WILDCARD, GraphTensor

_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}


def graph_tensors(arguments: Sequence[Any]) -> list[GraphTensor]:
    """Inputs or outputs of a session, with -1 for symbolic dimensions."""
    return [
        GraphTensor(
            argument.name,
            _TYPES.get(argument.type, argument.type),
            tuple(size if isinstance(size, int) and size >= 0 else WILDCARD for size in argument.shape),
        )
        for argument in arguments
    ]
