"""The image tower in half precision."""

from __future__ import annotations

import onnx

from facestats_export.graph import linear_layers

_FLOAT_OPERATORS = ("LayerNormalization", "Softmax", "ReduceL2", "Div")
"""Kept in fp32: sums of many squares, and exponents."""


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in half precision; inputs, outputs and sensitive operators stay as they are.

    So does the patch embedding: its inputs are bytes, and its weights so small that half precision loses their digits.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    patches = linear_layers(copy)[0].product.name
    converted: onnx.ModelProto = convert_float_to_float16(
        copy,
        keep_io_types=True,
        op_block_list=list(_FLOAT_OPERATORS),
        node_block_list=[patches],
        disable_shape_infer=False,
    )
    _drop_repeated_casts(converted.graph)
    return converted


def _drop_repeated_casts(graph: onnx.GraphProto) -> None:
    """Keeps one of the casts that ONNX Runtime before 1.32 writes for each reader of the same tensor."""
    nodes = {tuple(node.output): node for node in reversed(graph.node)}
    kept = [node for node in graph.node if nodes[tuple(node.output)] is node]
    del graph.node[:]
    graph.node.extend(kept)
