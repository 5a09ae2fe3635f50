"""A face network that always computes the same number of pictures, for ONNX Runtime on CUDA.

ONNX Runtime plans cuDNN's convolutions anew whenever the batch's size changes, and keeps no earlier plan: on an H200 a
change costs the detector 0.1 to 2 s and the mesh 1 to 9 s, while one picture and sixteen take equally long. So blank
pictures fill the batch up inside the graph, and their answers are cut off again.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facestats.landmarks.networks import SERVED_BATCH

_PIXELS = "PIXELS"
_BLANK = helper.make_tensor("value", TensorProto.UINT8, [1], [0])


def with_fixed_batch(graph: bytes) -> bytes:
    """The same network, its batch of 1 to 16 pictures filled up to 16.

    Args:
        graph: ``PIXELS`` UINT8 [N, H, W, 3] to outputs whose first axis is N.
    """
    model = onnx.load_from_string(graph)
    nodes, outputs = model.graph.node, [output.name for output in model.graph.output]
    _, *picture = (dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim)
    constants = {
        "batch_shape": np.array([SERVED_BATCH, *picture], np.int64),
        "first_axis": np.array([0], np.int64),
        "batch_begin": np.array([0], np.int64),
        "batch_end": np.array([SERVED_BATCH], np.int64),
    }
    for node in nodes:
        _rename(node.input, {_PIXELS: "filled_pictures"})
        _rename(node.output, {name: f"{name}_OF_ALL" for name in outputs})
    filling = [
        helper.make_node("ConstantOfShape", ["batch_shape"], ["blank_pictures"], "blank", value=_BLANK),
        helper.make_node("Concat", [_PIXELS, "blank_pictures"], ["too_many_pictures"], "fill", axis=0),
        helper.make_node(
            "Slice", ["too_many_pictures", "batch_begin", "batch_end", "first_axis"], ["filled_pictures"], "cut"
        ),
        helper.make_node("Shape", [_PIXELS], ["given_pictures"], "count", start=0, end=1),
    ]
    answers = [
        helper.make_node(
            "Slice", [f"{name}_OF_ALL", "batch_begin", "given_pictures", "first_axis"], [name], f"answer_{name}"
        )
        for name in outputs
    ]
    network = list(nodes)
    del nodes[:]
    nodes.extend([*filling, *network, *answers])
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _rename(names: list[str], new: dict[str, str]) -> None:
    for index, name in enumerate(names):
        if name in new:
            names[index] = new[name]
