"""What geometry measures: the landmarks of one face and the frame they lie in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CaptureMode = Literal["stable", "fast"]


@dataclass(frozen=True)
class Capture:
    """The landmarks of one face.

    Attributes:
        landmarks: [478, 3] float64, what geometry measures: x over ``width``, y over ``height``, z over ``width``.
        width: Width of the frame ``landmarks`` refer to, pixels (the upright crop, or the photo, turned).
        height: Height of that frame, pixels.
        first: [478, 3] float64, pass 1 on the whole photo, normalised by the photo's size.
        photo_width: Width of the photo, pixels.
        photo_height: Height of the photo, pixels.
        mode: ``stable`` is the two-pass capture, ``fast`` pass 1 alone. Where the second pass loses the face,
            ``stable`` falls back to the landmarks of pass 1.
        frame_to_photo: [2, 3] float64 affine matrix from the frame's pixels to the photo's.
        turns: Quarter turns clockwise after which the face stands upright in the photo, 0..3, as far as whole ones can.
        faces_found: Faces that were seen in the photo, this one included.
    """

    landmarks: NDArray[np.float64]
    width: int
    height: int
    first: NDArray[np.float64]
    photo_width: int
    photo_height: int
    mode: CaptureMode
    frame_to_photo: NDArray[np.float64]
    turns: int = 0
    faces_found: int = 1

    def photo_points(self) -> NDArray[np.float64]:
        """Where the measured landmarks lie on the photo as it was sent: [478, 2] float64, pixels."""
        points = self.landmarks[:, :2] * [self.width, self.height]
        mapped: NDArray[np.float64] = points @ self.frame_to_photo[:, :2].T + self.frame_to_photo[:, 2]
        return mapped
