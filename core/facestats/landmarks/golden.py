"""The golden check of a landmark engine: a known photo must give the landmarks that MediaPipe gave at the export."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facestats.geometry.anatomy import LANDMARKS, ZYGION
from facestats.landmarks.engine import LandmarkEngine
from facestats.landmarks.networks import GOLDEN_LANDMARKS, GOLDEN_PHOTO

GOLDEN_LIMIT = 0.05
"""How far a landmark may lie from the export's, percent of the face's width: other processors, other versions."""


@dataclass(frozen=True)
class GoldenFace:
    """A photo and where its landmarks are.

    Attributes:
        photo: [H, W, 3] uint8.
        landmarks: [478, 3] float64: x over W, y over H, z over W.
    """

    photo: NDArray[np.uint8]
    landmarks: NDArray[np.float64]

    def drift(self, engine: LandmarkEngine) -> float:
        """Largest distance of an engine's landmarks, percent of the face's width; infinite where it finds no face."""
        (faces,) = engine.detect([self.photo])
        if not faces:
            return float("inf")
        height, width = self.photo.shape[:2]
        scale = [width, height, width]
        return float(landmark_distances(faces[0].landmarks * scale, self.landmarks * scale).max())


def read_golden_face(metadata: Callable[[str], str | None]) -> GoldenFace | None:
    """The golden face that the export put into the mesh's file, ``None`` where it has none.

    Args:
        metadata: A metadata entry's value by its name.

    Raises:
        ValueError: It is damaged.
    """
    photo, landmarks = metadata(GOLDEN_PHOTO), metadata(GOLDEN_LANDMARKS)
    if photo is None or landmarks is None:
        return None
    with Image.open(io.BytesIO(base64.b64decode(photo)), formats=("PNG",)) as image:
        pixels = np.asarray(image.convert("RGB"))
    values = np.frombuffer(base64.b64decode(landmarks), "<f4").reshape(LANDMARKS, 3)
    return GoldenFace(pixels, values.astype(np.float64))


def landmark_distances(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each landmark is off, [478], percent of the face's width.

    Args:
        ours: [478, 3] pixels.
        theirs: [478, 3] pixels; its zygia give the width.
    """
    width = np.linalg.norm(theirs[ZYGION[1]] - theirs[ZYGION[0]])
    distances: NDArray[np.float64] = 100.0 * np.linalg.norm(ours - theirs, axis=1) / width
    return distances
