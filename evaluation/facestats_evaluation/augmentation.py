"""The same photo again: what cameras, apps and people change about a picture without changing the face."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Photo = NDArray[np.uint8]


def rolled(rgb: Photo, degrees: float) -> Photo:
    """Turned in the picture plane, counter-clockwise, on a canvas that holds all of it."""
    height, width = rgb.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), np.float64)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    return np.asarray(cv2.warpAffine(rgb, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def scaled(rgb: Photo, factor: float) -> Photo:
    """Resized; by area when it shrinks."""
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=interpolation), np.uint8)


def compressed(rgb: Photo, quality: int) -> Photo:
    """Saved as a JPEG and read again."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def brightened(rgb: Photo, factor: float) -> Photo:
    """All samples multiplied and clipped: another exposure."""
    return np.clip(rgb.astype(np.float32) * factor, 0, 255).astype(np.uint8)


def with_gamma(rgb: Photo, gamma: float) -> Photo:
    """Another tone curve: above 1 darkens the middle."""
    return (255.0 * (rgb / 255.0) ** gamma).astype(np.uint8)


def padded(rgb: Photo, down: float, across: float) -> Photo:
    """On a larger grey canvas, off its middle; margins as shares of the photo's sides."""
    height, width = (int(share * side) for share, side in zip((down, across), rgb.shape, strict=False))
    border = cv2.copyMakeBorder(
        rgb, height // 2, height, width, width // 2, cv2.BORDER_CONSTANT, value=(128.0, 128.0, 128.0)
    )
    return np.asarray(border, np.uint8)


FITTED: dict[str, Callable[[Photo], Photo]] = {
    "mirror": lambda rgb: np.ascontiguousarray(rgb[:, ::-1]),
    "roll 12": lambda rgb: rolled(rgb, 12),
    "roll -7": lambda rgb: rolled(rgb, -7),
    "roll 15": lambda rgb: rolled(rgb, 15),
    "half size": lambda rgb: scaled(rgb, 0.5),
    "enlarged 1.6": lambda rgb: scaled(rgb, 1.6),
    "JPEG 40": lambda rgb: compressed(rgb, 40),
    "JPEG 70": lambda rgb: compressed(rgb, 70),
    "brighter 1.3": lambda rgb: brightened(rgb, 1.3),
    "gamma 1.4": lambda rgb: with_gamma(rgb, 1.4),
    "wide canvas": lambda rgb: padded(rgb, 0.0, 0.35),
}
"""What intervals are fitted on."""

HELD_OUT: dict[str, Callable[[Photo], Photo]] = {
    "mirror, roll 5": lambda rgb: rolled(np.ascontiguousarray(rgb[:, ::-1]), 5),
    "roll -13": lambda rgb: rolled(rgb, -13),
    "size 0.7": lambda rgb: scaled(rgb, 0.7),
    "size 0.85, JPEG 55": lambda rgb: compressed(scaled(rgb, 0.85), 55),
    "JPEG 60": lambda rgb: compressed(rgb, 60),
    "darker 0.7": lambda rgb: brightened(rgb, 0.7),
    "gamma 0.75": lambda rgb: with_gamma(rgb, 0.75),
    "tall canvas": lambda rgb: padded(rgb, 0.35, 0.0),
}
"""What they are judged on."""

SMALL_FACES = (75, 45, 28)
"""Face widths to which portraits are shrunk as well, pixels, so that low reliabilities are seen too."""
