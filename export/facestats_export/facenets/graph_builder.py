"""Nodes and constants of an ONNX graph, gathered one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
_IR_VERSION = 10


class GraphBuilder:
    """An ONNX graph in the making; every value is named by the operator that computes it."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def floats(self, value: ArrayLike) -> str:
        """A float32 constant; returns its name."""
        return self._constant(np.asarray(value, np.float32))

    def integers(self, value: ArrayLike) -> str:
        """An int64 constant, as ONNX wants shapes, axes and indices; returns its name."""
        return self._constant(np.asarray(value, np.int64))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """An operator with one output; returns the output's name."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def slice(self, value: str, start: int, end: int, axis: int) -> str:
        """``value[start:end]`` along an axis; returns the result's name."""
        bounds = (self.integers([number]) for number in (start, end, axis))
        return self.node("Slice", value, *bounds)

    def model(
        self, name: str, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, tuple[str, Sequence[int]]]
    ) -> onnx.ModelProto:
        """The finished model, checked; its batch axis is symbolic.

        Args:
            name: Of the graph.
            inputs: Name to shape without the batch axis; uint8.
            outputs: Name to the value it is and its shape without the batch axis; float32.
        """
        renamed = [
            helper.make_node("Identity", [value], [output], name=output) for output, (value, _) in outputs.items()
        ]
        graph = helper.make_graph(
            [*self._nodes, *renamed],
            name,
            [
                helper.make_tensor_value_info(item, TensorProto.UINT8, ["batch", *shape])
                for item, shape in inputs.items()
            ],
            [
                helper.make_tensor_value_info(item, TensorProto.FLOAT, ["batch", *shape])
                for item, (_, shape) in outputs.items()
            ],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name
