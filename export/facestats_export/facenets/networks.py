"""The two networks: where they lie in MediaPipe's wheel, and what goes into and comes out of their ONNX graphs."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from facestats.landmarks.networks import DETECTOR, MESH, FaceGraphs
from facestats_export.errors import ExportError
from facestats_export.facenets.conversion import convert
from facestats_export.facenets.tflite_file import Network, read_network

_DETECTOR_FILE = "modules/face_detection/face_detection_short_range.tflite"
_MESH_FILE = "modules/face_landmark/face_landmark_with_attention.tflite"

_MESH_POINTS = 468
_EYE_CONTOUR = 16
"""The first points of an eye's part are its contour; the iris lies at their mean depth."""


def face_graphs() -> FaceGraphs:
    """Converts both networks.

    Raises:
        ExportError: MediaPipe is not installed, or its networks are not the ones known here.
    """
    folder = mediapipe_folder()
    detector = detector_graph(read_network(folder / _DETECTOR_FILE))
    mesh = mesh_graph(read_network(folder / _MESH_FILE))
    return FaceGraphs(detector.SerializeToString(deterministic=True), mesh.SerializeToString(deterministic=True))


def mediapipe_folder() -> Path:
    """The installed MediaPipe, found without importing it.

    Raises:
        ExportError: It is not installed.
    """
    found = importlib.util.find_spec("mediapipe")
    if found is None or found.origin is None:
        raise ExportError("the face networks come from MediaPipe's wheel, which is not installed (mediapipe==0.10.21).")
    return Path(found.origin).parent


def networks_source() -> str:
    """What the networks were converted from, for the provenance."""
    return f"mediapipe {version('mediapipe')}"


def detector_graph(network: Network) -> onnx.ModelProto:
    """``PIXELS`` UINT8 [N, 128, 128, 3] to ``BOXES`` FP32 [N, 896, 16] and ``LOGITS`` FP32 [N, 896, 1].

    An anchor's 16 numbers are, in pixels of the 128 and relative to the anchor's centre: x and y of the box's centre,
    its width and height, then x and y of the right eye, left eye, nose, mouth, right and left ear.
    """
    tensors = convert(network, "PIXELS", scale=2 / 255, offset=-1.0)
    outputs = {
        "BOXES": (tensors.output("regressors"), (896, 16)),
        "LOGITS": (tensors.output("classificators"), (896, 1)),
    }
    return tensors.builder.model(DETECTOR, {"PIXELS": (128, 128, 3)}, outputs)


def mesh_graph(network: Network) -> onnx.ModelProto:
    """``PIXELS`` UINT8 [N, 192, 192, 3] to ``LANDMARKS`` FP32 [N, 478, 3] and ``FACE_LOGIT`` FP32 [N, 1].

    Landmarks are in sides of the picture: x right and y down from its left upper corner, z away. Lips, eyes and irises
    are the refined ones; a refined point keeps the mesh's depth, an iris lies at the mean depth of its eye's contour.
    """
    tensors = convert(network, "PIXELS", scale=1 / 255, offset=0.0)
    builder = tensors.builder

    def points(output: str, dimensions: int) -> str:
        numbers = int(np.prod(network.shapes[network.outputs[output]]))
        shape = builder.integers([-1, numbers // dimensions, dimensions])
        return builder.node("Reshape", tensors.output(output), shape)

    mesh = points("output_mesh_identity", 3)
    parts = [builder.slice(mesh, 0, 2, axis=2)]
    parts += [points(f"output_{part}", 2) for part in ("lips", "left_eye", "right_eye", "left_iris", "right_iris")]
    flat = builder.node("Gather", builder.node("Concat", *parts, axis=1), builder.integers(_refined(network)), axis=1)
    depth = builder.slice(mesh, 2, 3, axis=2)
    depths = [depth]
    for subset in _subsets(network)[1:]:
        contour = builder.node("Gather", depth, builder.integers(subset[:_EYE_CONTOUR]), axis=1)
        mean = builder.node("ReduceMean", contour, builder.integers([1]), keepdims=1)
        depths += [mean] * 5
    pixels = builder.node("Concat", flat, builder.node("Concat", *depths, axis=1), axis=2)
    flag = builder.node("Reshape", tensors.output("conv_faceflag"), builder.integers([-1, 1]))
    outputs = {
        "LANDMARKS": (builder.node("Mul", pixels, builder.floats(1 / 192)), (478, 3)),
        "FACE_LOGIT": (flag, (1,)),
    }
    return builder.model(MESH, {"PIXELS": (192, 192, 3)}, outputs)


def _subsets(network: Network) -> list[list[int]]:
    """The mesh's points that lips, left eye and right eye refine, as the network's own windows name them."""
    return [
        list(operator.options["subset_idxs"])
        for operator in network.operators
        if operator.name == "Landmarks2TransformMatrix"
    ]


def _refined(network: Network) -> NDArray[np.int64]:
    """For each of the 478 landmarks, which of mesh, lips, eyes and irises laid end to end it is."""
    subsets = _subsets(network)
    chosen = np.arange(_MESH_POINTS + 10)
    place = _MESH_POINTS
    for subset in subsets:
        chosen[subset] = np.arange(place, place + len(subset))
        place += len(subset)
    chosen[_MESH_POINTS:] = np.arange(place, place + 10)
    return chosen
