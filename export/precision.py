"""Lower precision for the image tower: half floats, or 8-bit weights and activations that never mix images.

ONNX Runtime's own quantisers scale activations over the whole batch (dynamic), so that a score would depend on its
neighbours, or once for all images (static), which a transformer's outliers spoil. Here each row of an activation, one
token of one image, has its own scale, computed in the graph (as LLM.int8(), Dettmers et al. 2022, and ZeroQuant, Yao
et al. 2022, do); weights have one scale for each output channel. The product itself is ONNX's ``MatMulInteger``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_LARGEST = 127
_ZERO_POINT = 128
_FLOAT_OPERATORS = ("LayerNormalization", "Softmax", "ReduceL2", "Div", "Sub")
"""Kept in fp32 at fp16: sums of many squares, exponents, and the pixels' rescaling."""


@dataclass(frozen=True)
class Scheme:
    """A way to store and compute the tower's linear layers.

    Attributes:
        name: Recorded in the provenance.
        activations: Whether activations are quantised too, and products computed in integers.
        without: Layers kept in fp32, by the inner width of their product.
    """

    name: str
    activations: bool
    without: tuple[int, ...] = ()


INT8_SCHEMES = (
    Scheme("all linear layers, a scale a token", activations=True),
    Scheme("linear layers but the MLP's second, a scale a token", activations=True, without=(3072,)),
    Scheme("weights only", activations=False),
)
"""From fast to slow; the export takes the first whose measured drift is within the limit."""


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph in half precision; inputs, outputs and sensitive operators stay as they are."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    converted: onnx.ModelProto = convert_float_to_float16(
        copy, keep_io_types=True, op_block_list=list(_FLOAT_OPERATORS), disable_shape_infer=False
    )
    return converted


def to_int8(model: onnx.ModelProto, scheme: Scheme) -> onnx.ModelProto:
    """The graph with its linear layers in 8 bits.

    The patch embedding, the products of attention and everything that is not a matrix product stay in fp32.

    Args:
        model: The fp32 graph.
        scheme: Which layers, and whether the activations too.
    """
    converted = onnx.ModelProto()
    converted.CopyFrom(model)
    graph = converted.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    builder = _Builder()
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        weight = weights.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or len(weight.dims) != 2 or weight.dims[0] in scheme.without:
            nodes.append(node)
        elif scheme.activations:
            nodes += builder.integer_product(node, numpy_helper.to_array(weight))
        else:
            nodes += builder.dequantised_product(node, numpy_helper.to_array(weight))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used] + builder.tensors
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(converted)
    return converted


def choose_int8(
    model: onnx.ModelProto, drift: Callable[[onnx.ModelProto], float], limit: float
) -> tuple[onnx.ModelProto, Scheme, dict[str, float]]:
    """The fastest 8-bit scheme whose drift is within the limit, else the one that drifts least.

    Args:
        model: The fp32 graph.
        drift: Measures a graph's worst score drift, points.
        limit: Largest allowed drift.

    Returns:
        The graph, its scheme, and the drift of each scheme that was tried.
    """
    tried: dict[str, float] = {}
    for scheme in INT8_SCHEMES:
        tried[scheme.name] = drift(to_int8(model, scheme))
        if tried[scheme.name] <= limit:
            break
    best = min((scheme for scheme in INT8_SCHEMES if scheme.name in tried), key=lambda scheme: tried[scheme.name])
    return to_int8(model, best), best, tried


class _Builder:
    """Makes the nodes of 8-bit products, each shared tensor once."""

    def __init__(self) -> None:
        self.tensors: list[onnx.TensorProto] = []
        self._known: set[str] = set()
        self._rows: set[str] = set()

    def integer_product(self, node: onnx.NodeProto, weight: NDArray[np.float32]) -> list[onnx.NodeProto]:
        """Activation (quantised by row) x weight (by column) in integers, scaled back."""
        activation, product = node.input[0], node.output[0]
        nodes = [] if activation in self._rows else self._quantise_rows(activation)
        self._rows.add(activation)
        quantised, scale = self._weight(node.input[1], weight)
        zero_point = self._constant("int8_zero_point", np.array(_ZERO_POINT, np.uint8))
        return [
            *nodes,
            helper.make_node(
                "MatMulInteger",
                [f"{activation}_rows", quantised, zero_point],
                [f"{product}_sum"],
                name=f"{node.name}_int8",
            ),
            helper.make_node("Cast", [f"{product}_sum"], [f"{product}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{product}_float", f"{activation}_scale"], [f"{product}_row_scaled"]),
            helper.make_node("Mul", [f"{product}_row_scaled", scale], [product]),
        ]

    def dequantised_product(self, node: onnx.NodeProto, weight: NDArray[np.float32]) -> list[onnx.NodeProto]:
        """Activation x weight, the weight stored in 8 bits and multiplied in fp32."""
        quantised, scale = self._weight(node.input[1], weight)
        restored = f"{quantised}_restored"
        first = restored not in self._known
        self._known.add(restored)
        dequantise = helper.make_node("DequantizeLinear", [quantised, scale], [restored], axis=1)
        product = helper.make_node("MatMul", [node.input[0], restored], node.output, name=node.name)
        return [dequantise, product] if first else [product]

    def _quantise_rows(self, activation: str) -> list[onnx.NodeProto]:
        step = self._constant("int8_step", np.array(1 / _LARGEST, np.float32))
        # A row of zeros must not be divided by zero.
        smallest = self._constant("int8_smallest_scale", np.array(1e-12, np.float32))
        one = self._constant("int8_one", np.array(1, np.float32))
        zero_point = self._constant("int8_zero_point", np.array(_ZERO_POINT, np.uint8))
        axis = self._constant("int8_last_axis", np.array([-1], np.int64))
        name = activation
        return [
            helper.make_node("Abs", [name], [f"{name}_abs"]),
            helper.make_node("ReduceMax", [f"{name}_abs", axis], [f"{name}_largest"], keepdims=1),
            helper.make_node("Mul", [f"{name}_largest", step], [f"{name}_step"]),
            helper.make_node("Max", [f"{name}_step", smallest], [f"{name}_scale"]),
            helper.make_node("Div", [name, f"{name}_scale"], [f"{name}_scaled"]),
            helper.make_node("QuantizeLinear", [f"{name}_scaled", one, zero_point], [f"{name}_rows"]),
        ]

    def _weight(self, name: str, weight: NDArray[np.float32]) -> tuple[str, str]:
        scale = np.maximum(np.abs(weight).max(0) / _LARGEST, 1e-12).astype(np.float32)
        quantised = np.rint(weight / scale).clip(-_LARGEST, _LARGEST).astype(np.int8)
        return self._constant(f"{name}_int8", quantised), self._constant(f"{name}_scale", scale)

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        if name not in self._known:
            self._known.add(name)
            self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name
