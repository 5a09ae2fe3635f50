"""The mesh network's three custom operators in ONNX: a window laid over part of the face, its contents, the way back.

They are MediaPipe's (mediapipe/util/tflite/operations, version 2 of each): an affine matrix from some landmarks, a
feature map sampled through it, and landmarks found in the window mapped back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from facestats_export.errors import ExportError
from facestats_export.facenets.tensors import Tensors
from facestats_export.facenets.tflite_file import Operator


def window_matrix(tensors: Tensors, operator: Operator) -> str:
    """``Landmarks2TransformMatrix``: the upright bounding box of some landmarks, widened, as a window.

    Returns:
        Name of [N, 4, 4]: homogeneous, window coordinates to the feature map's; z is left alone.
    """
    options, builder = operator.options, tensors.builder
    if options["target_rotation_radians"] != 0:
        raise ExportError("the network turns a window to an angle, which is not known here.")
    points = builder.slice(tensors.value(operator.inputs[0]), 0, 2, axis=2)
    axis = builder.integers([options["left_rotation_idx"]]), builder.integers([options["right_rotation_idx"]])
    left, right = (builder.node("Gather", points, index, axis=1) for index in axis)
    across = builder.node("Sub", right, left)
    length = builder.node("ReduceL2", across, builder.integers([2]), keepdims=1)
    direction = builder.node("Div", across, length)
    cosine, sine = builder.slice(direction, 0, 1, axis=2), builder.slice(direction, 1, 2, axis=2)
    first_row = builder.node("Concat", cosine, builder.node("Neg", sine), axis=2)
    rotation = builder.node("Concat", first_row, builder.node("Concat", sine, cosine, axis=2), axis=1)
    # Row vectors times the rotation are the points turned back by it.
    part = builder.node("Gather", points, builder.integers(options["subset_idxs"]), axis=1)
    upright = builder.node("MatMul", part, rotation)
    low = builder.node("ReduceMin", upright, builder.integers([1]), keepdims=1)
    high = builder.node("ReduceMax", upright, builder.integers([1]), keepdims=1)
    middle = builder.node("Mul", builder.node("Add", low, high), builder.floats(0.5))
    window = np.array([options["output_width"], options["output_height"]])
    widen = np.array([options["scale_x"], options["scale_y"]])
    scale = builder.node("Mul", builder.node("Sub", high, low), builder.floats(widen / window))
    linear = builder.node("Mul", rotation, scale)
    to_corner = builder.node("Sub", middle, builder.node("Mul", scale, builder.floats(window / 2)))
    corner = builder.node("MatMul", rotation, builder.node("Transpose", to_corner, perm=[0, 2, 1]))
    no_depth = builder.node("Mul", corner, builder.floats(0.0))
    top = builder.node("Concat", linear, no_depth, corner, axis=2)
    # The lower half is the same for every face; adding nothing of the upper half gives it the batch's size.
    below = builder.node(
        "Add", builder.node("Mul", top, builder.floats(0.0)), builder.floats([[0, 0, 1, 0], [0, 0, 0, 1]])
    )
    return builder.node("Concat", top, below, axis=1)


def sampled_window(tensors: Tensors, operator: Operator) -> str:
    """``TransformTensorBilinear``: a feature map's contents under a window, bilinear at pixel centres, zero outside."""
    options, builder = operator.options, tensors.builder
    source, matrix = operator.inputs
    _, height, width, _ = tensors.network.shapes[source]
    rows, columns = options["output_height"], options["output_width"]
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    centres = np.stack([x.ravel(), y.ravel(), np.zeros(rows * columns), np.ones(rows * columns)], axis=1)
    transposed = builder.node("Transpose", builder.slice(tensors.value(matrix), 0, 2, axis=1), perm=[0, 2, 1])
    sampled = builder.node("MatMul", builder.floats(centres), transposed)
    # ONNX counts from -1 to 1 between the map's outer edges.
    relative = builder.node(
        "Sub", builder.node("Mul", sampled, builder.floats([2 / width, 2 / height])), builder.floats(1.0)
    )
    grid = builder.node("Reshape", relative, builder.integers([-1, rows, columns, 2]))
    return builder.node(
        "GridSample", tensors.feature_map(source), grid, mode="linear", padding_mode="zeros", align_corners=0
    )


def landmarks_from_window(tensors: Tensors, operator: Operator) -> str:
    """``TransformLandmarks``: points of a window, [N, points, 2], on the feature map."""
    builder = tensors.builder
    points, matrix = (tensors.value(number) for number in operator.inputs)
    transposed = builder.node("Transpose", builder.slice(matrix, 0, 2, axis=1), perm=[0, 2, 1])
    turned = builder.node("MatMul", points, builder.slice(transposed, 0, 2, axis=1))
    return builder.node("Add", turned, builder.slice(transposed, 3, 4, axis=1))


FEATURE_MAP_OPERATORS: Mapping[str, Callable[[Tensors, Operator], str]] = {"TransformTensorBilinear": sampled_window}
"""What computes feature maps."""

OPERATORS: Mapping[str, Callable[[Tensors, Operator], str]] = {
    "Landmarks2TransformMatrix": window_matrix,
    "TransformLandmarks": landmarks_from_window,
}
"""What computes anything else."""
