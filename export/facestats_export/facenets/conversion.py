"""Walks through a TensorFlow Lite network and writes it down as ONNX."""

from __future__ import annotations

from facestats_export.errors import ExportError
from facestats_export.facenets import layers, windows
from facestats_export.facenets.tensors import Tensors
from facestats_export.facenets.tflite_file import Network

_OF_FEATURE_MAPS = {**layers.FEATURE_MAP_OPERATORS, **windows.FEATURE_MAP_OPERATORS}
_OF_OTHERS = {**layers.OPERATORS, **windows.OPERATORS}


def convert(network: Network, input_name: str, *, scale: float, offset: float) -> Tensors:
    """Converts all operators.

    Args:
        network: What is converted.
        input_name: Name of its image, [N, H, W, 3] uint8, in the ONNX graph.
        scale: Bytes times this and
        offset: plus this are what the network wants to see.

    Returns:
        The network's tensors, its outputs among them.

    Raises:
        ExportError: The network has an operator that is not known here.
    """
    tensors = Tensors(network, input_name, scale=scale, offset=offset)
    for operator in network.operators:
        if operator.name == "DEQUANTIZE":
            # Weights are stored as float16.
            tensors.set_constant(operator.output, tensors.constant(operator.inputs[0]))
        elif operator.name in _OF_FEATURE_MAPS:
            tensors.set_feature_map(operator.output, _OF_FEATURE_MAPS[operator.name](tensors, operator))
        elif operator.name in _OF_OTHERS:
            tensors.set_value(operator.output, _OF_OTHERS[operator.name](tensors, operator))
        else:
            raise ExportError(f"the network has an operator that is not known here ({operator.name}).")
    return tensors
