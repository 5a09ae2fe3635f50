"""The image tower's linear layers in 8-bit weights and activations that never mix images.

ONNX Runtime's own quantisers scale activations over the whole batch (dynamic), so that a score would depend on its
neighbours, or once for all images (static), which a transformer's outliers spoil. Here each row of an activation, one
token of one image, has its own scale, computed in the graph (as LLM.int8(), Dettmers et al. 2022, and ZeroQuant, Yao
et al. 2022, do); weights have one scale for each output. Large channels are evened out first
(``facestats_export.smoothing``) and weights rounded by what the layers read (``facestats_export.gptq``). The product
is ONNX Runtime's ``MatMulIntegerToFloat``: ``MatMulInteger`` and the weights' scales in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facestats_export.gptq import LARGEST, RoundedWeight, round_to_nearest, round_weight, second_moments
from facestats_export.graph import LinearLayer, linear_layers
from facestats_export.smoothing import smoothed

Result = TypeVar("Result")

CONTRIB = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""

_ZERO_POINT = 128
_LOWEST_GELU = -0.2784645427610738
"""Smallest x * sigmoid(x), -W(1/e); that of x * sigmoid(a * x) is a-th of it."""


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


@dataclass(frozen=True)
class Rounded:
    """A tower ready for 8 bits.

    Attributes:
        model: The fp32 graph, with evened-out channels.
        weights: The 8-bit weights of its linear layers, by the layer's name.
    """

    model: onnx.ModelProto
    weights: Mapping[str, RoundedWeight]


def round_tower(model: onnx.ModelProto, pixels: NDArray[np.uint8]) -> Rounded:
    """Evens out what the linear layers read, then rounds their weights.

    Args:
        model: The fp32 graph.
        pixels: [N, 224, 224, 3] uint8: photos that show what the layers read.
    """
    read = sorted({layer.input for layer in linear_layers(model)})
    even = smoothed(model, second_moments(model, read, pixels))
    moments = second_moments(even, read, pixels)
    weights = {layer.name: round_weight(layer.weight, moments[layer.input]) for layer in linear_layers(even)}
    return Rounded(even, weights)


def to_int8(tower: Rounded, scheme: Scheme) -> onnx.ModelProto:
    """The graph with its linear layers in 8 bits.

    Attention's own products and everything that is not a matrix product stay in fp32.

    Args:
        tower: From :func:`round_tower`.
        scheme: Which layers, and whether the activations too.
    """
    converted = onnx.ModelProto()
    converted.CopyFrom(tower.model)
    if scheme.activations:
        converted.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    graph = converted.graph
    builder = _Builder(graph)
    layers = {layer.name: layer for layer in linear_layers(converted) if len(layer.weight) not in scheme.without}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        layer = layers.get(node.output[0])
        if layer is None:
            nodes.append(node)
        elif scheme.activations:
            nodes += builder.integer_product(layer, tower.weights[layer.name])
        else:
            nodes += builder.dequantised_product(layer, tower.weights[layer.name])
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in (*graph.initializer, *builder.tensors) if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(converted)
    return converted


def round_plainly(model: onnx.ModelProto) -> Rounded:
    """As :func:`round_tower`, in no time and with more drift: it shows how fast 8 bits are here, no more."""
    layers = linear_layers(model)
    return Rounded(model, {layer.name: round_to_nearest(layer.weight) for layer in layers})


def choose_int8(
    tower: Rounded, compare: Callable[[onnx.ModelProto], Result], share_of_limits: Callable[[Result], float]
) -> tuple[onnx.ModelProto, Scheme, dict[str, Result]]:
    """The fastest 8-bit scheme within the limits, else the one that is the least past them.

    Args:
        tower: From :func:`round_tower`.
        compare: Holds a graph against PyTorch.
        share_of_limits: How much of what is allowed a comparison uses up; 1 or less passes.

    Returns:
        The graph, its scheme, and the comparison of each scheme that was tried.
    """
    tried: dict[str, Result] = {}
    for scheme in INT8_SCHEMES:
        tried[scheme.name] = compare(to_int8(tower, scheme))
        if share_of_limits(tried[scheme.name]) <= 1:
            break
    candidates = (scheme for scheme in INT8_SCHEMES if scheme.name in tried)
    best = min(candidates, key=lambda scheme: share_of_limits(tried[scheme.name]))
    return to_int8(tower, best), best, tried


class _Builder:
    """Makes the nodes of 8-bit products, each shared tensor once."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.tensors: list[onnx.TensorProto] = []
        self._known: set[str] = set()
        self._quantised: set[str] = set()
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}

    def integer_product(self, layer: LinearLayer, weight: RoundedWeight) -> list[onnx.NodeProto]:
        """Activation (quantised by row) x weight (by column) in integers, scaled back."""
        if self._turn_into_bytes(layer.input):
            return [self._product(layer.input, layer, weight, zero_point=0, output=layer.name)]
        lowest = self._lowest(layer)
        nodes = [] if layer.input in self._quantised else self._quantise_rows(layer.input, lowest)
        self._quantised.add(layer.input)
        if lowest:
            self._take_lowest_out(layer, weight, lowest)
        product = self._product(
            f"{layer.input}_rows", layer, weight, 0 if lowest else _ZERO_POINT, f"{layer.name}_unscaled"
        )
        scaled = helper.make_node("Mul", [f"{layer.name}_unscaled", f"{layer.input}_scale"], [layer.name])
        return [*nodes, product, scaled]

    def dequantised_product(self, layer: LinearLayer, weight: RoundedWeight) -> list[onnx.NodeProto]:
        """Activation x weight, the weight stored in 8 bits and multiplied in fp32."""
        values, scale = self._weight(layer, weight)
        restored = f"{values}_restored"
        return [
            helper.make_node("DequantizeLinear", [values, scale], [restored], axis=1),
            helper.make_node("MatMul", [layer.input, restored], [layer.name], name=layer.product.name),
        ]

    def _product(
        self, rows: str, layer: LinearLayer, weight: RoundedWeight, zero_point: int, output: str
    ) -> onnx.NodeProto:
        values, scale = self._weight(layer, weight)
        inputs = [rows, values, self._one(), scale, self._zero_point(zero_point)]
        return helper.make_node(
            "MatMulIntegerToFloat", inputs, [output], name=f"{layer.product.name}_int8", domain=CONTRIB
        )

    def _turn_into_bytes(self, activation: str) -> bool:
        """Lets pixels that are only moved about stay the bytes they are: exact, and no scale is needed."""
        maker = self._makers[activation]
        while maker.op_type in ("Reshape", "Transpose"):
            maker = self._makers[maker.input[0]]
        if maker.op_type != "Cast" or maker.input[0] != "PIXELS":
            return False
        next(attribute for attribute in maker.attribute if attribute.name == "to").i = TensorProto.UINT8
        return True

    def _lowest(self, layer: LinearLayer) -> float:
        """The smallest value the layer's input can have, if it is a GELU; 0 says that it can be anything.

        x * sigmoid(a * x) goes a little below zero and far above. Counted from its lowest value it needs no sign, and
        steps half as large.
        """
        maker = self._makers[layer.input]
        sigmoid = self._makers.get(maker.input[-1])
        if layer.bias is None or maker.op_type != "Mul" or sigmoid is None or sigmoid.op_type != "Sigmoid":
            return 0.0
        slope = self._makers.get(sigmoid.input[0])
        if (
            slope is None
            or slope.op_type != "Mul"
            or slope.input[0] != maker.input[0]
            or slope.input[1] not in self._constants
        ):
            return 0.0
        return _LOWEST_GELU / float(numpy_helper.to_array(self._constants[slope.input[1]]).item())

    def _take_lowest_out(self, layer: LinearLayer, weight: RoundedWeight, lowest: float) -> None:
        """Corrects the bias for what the product has too much, all inputs being counted from ``lowest``."""
        assert layer.bias is not None
        bias = numpy_helper.to_array(self._constants[layer.bias.input[1]])
        excess = lowest * weight.scale * weight.values.sum(0, dtype=np.int64)
        layer.bias.input[1] = self._constant(f"{layer.name}_bias", (bias + excess).astype(np.float32))

    def _quantise_rows(self, activation: str, lowest: float) -> list[onnx.NodeProto]:
        """``_rows``, uint8, and ``_scale``, one a row."""
        # A row of zeros must not be divided by zero.
        smallest = self._constant("int8_smallest_scale", np.array(1e-12, np.float32))
        axis = self._constant("int8_last_axis", np.array([-1], np.int64))
        steps = 2 * LARGEST + 1 if lowest else LARGEST
        step = self._constant(f"int8_step_{steps}", np.array(1 / steps, np.float32))
        if lowest:
            offset = self._constant(f"int8_lowest_{-lowest}", np.array(-lowest, np.float32))
            shifted = size = f"{activation}_above_lowest"
            first = helper.make_node("Add", [activation, offset], [shifted])
        else:
            shifted, size = activation, f"{activation}_size"
            first = helper.make_node("Abs", [activation], [size])
        zero_point = self._zero_point(0 if lowest else _ZERO_POINT)
        return [
            first,
            helper.make_node("ReduceMax", [size, axis], [f"{activation}_largest"], keepdims=1),
            helper.make_node("Mul", [f"{activation}_largest", step], [f"{activation}_step"]),
            helper.make_node("Max", [f"{activation}_step", smallest], [f"{activation}_scale"]),
            helper.make_node("Div", [shifted, f"{activation}_scale"], [f"{activation}_scaled"]),
            helper.make_node(
                "QuantizeLinear", [f"{activation}_scaled", self._one(), zero_point], [f"{activation}_rows"]
            ),
        ]

    def _weight(self, layer: LinearLayer, weight: RoundedWeight) -> tuple[str, str]:
        values = self._constant(f"{layer.name}_int8", weight.values)
        return values, self._constant(f"{layer.name}_weight_scale", weight.scale)

    def _one(self) -> str:
        return self._constant("int8_one", np.array(1, np.float32))

    def _zero_point(self, value: int) -> str:
        return self._constant(f"int8_zero_point_{value}", np.array(value, np.uint8))

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        if name not in self._known:
            self._known.add(name)
            self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name
