"""FFHQ-style aligned face crop, the framing of the portraits FaceStats' reference distribution was built on.

The construction is the published one of the FFHQ data set (Karras, Laine & Aila, "A Style-Based Generator Architecture
for Generative Adversarial Networks", 2019, appendix A): an oriented square from the eye centres and the mouth corners.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facestats.images.warping import warp

CROP_SIDE = 512
"""Side of the aligned crop, pixels; CLIP's resize to 224 follows."""

ALIGNMENT_ID = "ffhq-512/1"
"""Names what this module does; part of a score's receipt, so it must change when the pixels would."""

_RIGHT_EYE = (33, 160, 158, 133, 153, 144)
_LEFT_EYE = (362, 385, 387, 263, 373, 380)
_MOUTH_CORNERS = (61, 291)


def aligned_crop(rgb: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Cuts out the face upright, framed as in FFHQ; beyond the photo's border the picture is mirrored.

    Args:
        rgb: [H, W, 3] uint8, the upright photo.
        points: [478, 2] or [478, 3] Face Mesh landmarks in pixels of ``rgb``.

    Returns:
        [512, 512, 3] uint8.
    """
    centre, x_axis = _oriented_square(points[:, :2])
    y_axis = np.array([-x_axis[1], x_axis[0]])
    corners = np.array([centre - x_axis - y_axis, centre + x_axis - y_axis, centre - x_axis + y_axis], np.float32)
    # Pixel centres lie at integers for OpenCV, at halves for the square's corners.
    target = np.array([[0, 0], [CROP_SIDE, 0], [0, CROP_SIDE]], np.float32) - 0.5
    matrix = np.asarray(cv2.getAffineTransform(corners - 0.5, target), np.float64)
    return warp(rgb, matrix, (CROP_SIDE, CROP_SIDE), border_mode=cv2.BORDER_REFLECT_101)


def _oriented_square(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of FFHQ's square and the vector from it to the middle of its right side, pixels."""
    right_eye, left_eye = points[list(_RIGHT_EYE)].mean(0), points[list(_LEFT_EYE)].mean(0)
    eyes = (right_eye + left_eye) / 2
    eye_to_eye = left_eye - right_eye
    eye_to_mouth = points[list(_MOUTH_CORNERS)].mean(0) - eyes
    direction = eye_to_eye - np.array([-eye_to_mouth[1], eye_to_mouth[0]])
    length = float(np.hypot(*direction))
    half = max(2.0 * float(np.hypot(*eye_to_eye)), 1.8 * float(np.hypot(*eye_to_mouth)))
    return eyes + 0.1 * eye_to_mouth, direction / length * half
