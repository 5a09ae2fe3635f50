"""A photo with MediaPipe's landmarks of it, put into the mesh's file: whoever loads the networks can check them."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

from facestats.images.warping import warp
from facestats.landmarks.engine import LandmarkEngine
from facestats.landmarks.networks import GOLDEN_LANDMARKS, GOLDEN_PHOTO
from facestats_export.errors import ExportError

_SIDE = 192
"""Of the golden photo, pixels."""

_MARGIN = 2.0
"""Side of the golden photo in longer sides of the face."""


def with_golden_face(mesh: bytes, photo: NDArray[np.uint8], reference: LandmarkEngine) -> bytes:
    """The mesh's file with a golden face in its metadata.

    Args:
        mesh: The converted network.
        photo: [H, W, 3] uint8, shows a face.
        reference: MediaPipe.

    Raises:
        ExportError: MediaPipe finds no face in the photo.
    """
    golden = _portrait(photo, reference)
    (faces,) = reference.detect([golden])
    if not faces:
        raise ExportError("MediaPipe finds no face in the golden photo.")
    buffer = io.BytesIO()
    Image.fromarray(golden).save(buffer, "PNG", optimize=True)
    model = onnx.load_from_string(mesh)
    onnx.helper.set_model_props(
        model,
        {
            GOLDEN_PHOTO: base64.b64encode(buffer.getvalue()).decode(),
            GOLDEN_LANDMARKS: base64.b64encode(faces[0].landmarks.astype("<f4").tobytes()).decode(),
        },
    )
    return bytes(model.SerializeToString(deterministic=True))


def _portrait(photo: NDArray[np.uint8], reference: LandmarkEngine) -> NDArray[np.uint8]:
    """A small square around the photo's face."""
    (faces,) = reference.detect([photo])
    if not faces:
        raise ExportError("MediaPipe finds no face in the example photo.")
    height, width = photo.shape[:2]
    points = faces[0].landmarks[:, :2] * [width, height]
    low, high = points.min(0), points.max(0)
    scale = _SIDE / (_MARGIN * float((high - low).max()))
    matrix = np.column_stack([np.eye(2) * scale, _SIDE / 2 - scale * (low + high) / 2])
    return warp(photo, matrix, (_SIDE, _SIDE), border_mode=cv2.BORDER_REPLICATE)
