"""Evens out what 8-bit layers read, without changing what they compute.

SmoothQuant (Xiao et al., 2023): trained transformers have a few channels far larger than the rest, and with one scale a
token these take all the steps. A layer norm's channel is divided by a factor, and the weights that read it are
multiplied by the same one: activations come closer to each other, weights take over the difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from facestats_export.graph import LinearLayer, linear_layers


def smoothed(model: onnx.ModelProto, moments: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """The same function with the channels between layer norms and linear layers evened out.

    Args:
        model: The fp32 graph.
        moments: Second moments of the tensors that linear layers read, [channels, channels].
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in copy.graph.initializer}
    readers: dict[str, list[LinearLayer]] = defaultdict(list)
    for layer in linear_layers(copy):
        readers[layer.input].append(layer)
    uses: dict[str, int] = defaultdict(int)
    for node in copy.graph.node:
        for name in node.input:
            uses[name] += 1

    def replace(node: onnx.NodeProto, index: int, value: NDArray[np.float32]) -> None:
        # By a constant of its own: the exporter lets layers share equal ones.
        name = f"{node.output[0]}_smoothed_{index}"
        copy.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
        node.input[index] = name

    for node in copy.graph.node:
        layers = readers.get(node.output[0], [])
        if node.op_type != "LayerNormalization" or not layers or uses[node.output[0]] != len(layers):
            continue
        factor = _factor(moments[node.output[0]], layers)
        for index in (1, 2):
            replace(node, index, numpy_helper.to_array(constants[node.input[index]]) / factor)
        for layer in layers:
            replace(layer.product, 1, layer.weight * factor[:, np.newaxis])
    used = {name for node in copy.graph.node for name in node.input}
    kept = [tensor for tensor in copy.graph.initializer if tensor.name in used]
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(kept)
    return copy


def _factor(moment: NDArray[np.float32], layers: list[LinearLayer]) -> NDArray[np.float32]:
    """[channels]: the paper's, with the strength 1/2: what is read and what reads it become equally large."""
    smallest = np.finfo(np.float32).tiny
    read = np.sqrt(np.maximum(np.diagonal(moment), smallest))
    reading = np.maximum(np.max([np.abs(layer.weight).max(1) for layer in layers], axis=0), smallest)
    logarithm = (np.log(read) - np.log(reading)) / 2
    factor: NDArray[np.float32] = np.exp(logarithm - np.median(logarithm)).astype(np.float32)
    return factor
