"""Resampling a photo through an affine transform without skipping pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def warp(
    rgb: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    *,
    interpolation: int = cv2.INTER_LINEAR,
    border_mode: int = cv2.BORDER_REPLICATE,
    border_colour: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> NDArray[np.uint8]:
    """Maps a photo through a similarity transform.

    When the photo is shrunk to less than half, it is first reduced to twice the target's resolution by area averaging:
    interpolation alone looks at the nearest pixels only and would skip the others.

    Args:
        rgb: [H, W, 3] uint8.
        matrix: [2, 3] float64, photo pixels to target pixels.
        size: Width and height of the target, pixels.
        interpolation: OpenCV's interpolation.
        border_mode: OpenCV's border mode for what lies outside the photo.
        border_colour: RGB for ``cv2.BORDER_CONSTANT``.

    Returns:
        [height, width, 3] uint8.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    if scale < 0.5:
        height, width = rgb.shape[:2]
        small = (max(1, round(width * 2 * scale)), max(1, round(height * 2 * scale)))
        rgb = np.asarray(cv2.resize(rgb, small, interpolation=cv2.INTER_AREA), np.uint8)
        wider, higher = width / small[0], height / small[1]
        # Pixel centres lie at integers: where a reduced pixel's centre was in the photo depends on both sizes.
        centre = matrix @ [(wider - 1) / 2, (higher - 1) / 2, 1.0]
        matrix = np.column_stack([matrix[:, 0] * wider, matrix[:, 1] * higher, centre])
    warped = cv2.warpAffine(rgb, matrix, size, flags=interpolation, borderMode=border_mode, borderValue=border_colour)
    return np.asarray(warped, np.uint8)
