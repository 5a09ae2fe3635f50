"""What finds the faces of a picture and their landmarks, whichever way it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DETECTION_CONFIDENCE = 0.5
"""Least confidence, 0..1, that a place of the picture holds a face, and that its landmarks are a face's."""


@dataclass(frozen=True)
class FoundFace:
    """A face of a picture.

    Attributes:
        landmarks: [478, 3] float64: x over the picture's width, y over its height, z over its width.
        confidence: The detector's, 0.5..1.
    """

    landmarks: NDArray[np.float64]
    confidence: float


class LandmarkEngine(Protocol):
    """Face Mesh with refined landmarks, one object a thread for the thread's whole life.

    Every engine computes the same networks, so that landmarks agree to 0.02 % of the face's width.
    """

    @property
    def name(self) -> str:
        """``openvino`` or ``mediapipe``."""

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[FoundFace]]:
        """Finds the faces of some pictures.

        Args:
            pictures: Each [H, W, 3] uint8 RGB, of any size.

        Returns:
            For each picture its faces, those first that the detector is surest of.
        """

    def close(self) -> None:
        """Releases what the engine holds."""
