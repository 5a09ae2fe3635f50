"""The tensors of a network while it is being converted, and the graph they go into."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from facestats_export.errors import ExportError
from facestats_export.facenets.graph_builder import GraphBuilder
from facestats_export.facenets.tflite_file import Network


class Tensors:
    """What is known of a network's tensors so far.

    Args:
        network: What is converted.
        input_name: Name of its image, [N, H, W, 3] uint8, in the ONNX graph.
        scale: Bytes times this and
        offset: plus this are what the network wants to see.
    """

    def __init__(self, network: Network, input_name: str, *, scale: float, offset: float) -> None:
        self.network = network
        self.builder = GraphBuilder()
        self._constants: dict[int, NDArray[Any]] = dict(network.constants)
        self._values: dict[int, str] = {}
        (image,) = network.inputs
        self._feature_maps = {image: self._read_image(input_name, scale, offset)}

    def set_constant(self, number: int, value: NDArray[Any]) -> None:
        """Keeps a tensor that is known now."""
        self._constants[number] = value.astype(np.float32)

    def set_feature_map(self, number: int, name: str) -> None:
        """Keeps the name of a feature map, batch, channel, height, width."""
        self._feature_maps[number] = name

    def set_value(self, number: int, name: str) -> None:
        """Keeps the name of anything else, its axes as in the file."""
        self._values[number] = name

    def constant(self, number: int) -> NDArray[Any]:
        """A tensor that is known now.

        Raises:
            ExportError: It is computed.
        """
        if number not in self._constants:
            raise ExportError("the network computes a tensor that ought to be constant.")
        return self._constants[number]

    def feature_map(self, number: int) -> str:
        """Name of a feature map, batch, channel, height, width.

        Raises:
            ExportError: It is none.
        """
        if number not in self._feature_maps:
            raise ExportError("the network uses something else as a feature map.")
        return self._feature_maps[number]

    def value(self, number: int) -> str:
        """Name of a tensor with its axes as in the file; a feature map is turned over once."""
        if number not in self._values:
            self._values[number] = self.builder.node("Transpose", self.feature_map(number), perm=[0, 2, 3, 1])
        return self._values[number]

    def output(self, name: str) -> str:
        """Name of an output's value.

        Raises:
            ExportError: The network has none of this name.
        """
        if name not in self.network.outputs:
            raise ExportError(f"the network has no output '{name}'.")
        return self.value(self.network.outputs[name])

    def _read_image(self, name: str, scale: float, offset: float) -> str:
        """The picture as floats, channels first.

        The scale is not put into the first convolution: where it stands here, an engine that keeps channels last inside
        does everything in one go, while it turns bare bytes over and back (0.2 ms of the mesh's 3).
        """
        flow = self.builder.node("Cast", name, to=TensorProto.FLOAT)
        flow = self.builder.node("Mul", flow, self.builder.floats(scale))
        if offset:
            flow = self.builder.node("Add", flow, self.builder.floats(offset))
        return self.builder.node("Transpose", flow, perm=[0, 3, 1, 2])
