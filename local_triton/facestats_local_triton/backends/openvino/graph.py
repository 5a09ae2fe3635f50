"""OpenVINO's description of a graph, in Triton's terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facestats_local_triton.backends.tensors import WILDCARD, GraphTensor

_TYPES = {
    "boolean": "TYPE_BOOL",
    "u8": "TYPE_UINT8",
    "u16": "TYPE_UINT16",
    "u32": "TYPE_UINT32",
    "u64": "TYPE_UINT64",
    "i8": "TYPE_INT8",
    "i16": "TYPE_INT16",
    "i32": "TYPE_INT32",
    "i64": "TYPE_INT64",
    "f16": "TYPE_FP16",
    "f32": "TYPE_FP32",
    "f64": "TYPE_FP64",
}
"""OpenVINO's strings are left out: the native backend serves none either."""


def graph_tensors(ports: Sequence[Any]) -> list[GraphTensor]:
    """Inputs or outputs of a compiled model, with -1 for symbolic dimensions."""
    return [
        GraphTensor(
            port.get_any_name(),
            _TYPES.get(port.get_element_type().get_type_name(), port.get_element_type().get_type_name()),
            tuple(size.get_length() if size.is_static else WILDCARD for size in port.get_partial_shape()),
        )
        for port in ports
    ]
