"""RGB pixels to CLIP's 224 x 224 input, as CLIP's own image processor resizes and crops.

Imported by the gateway and by Triton's ``image_decoder``; depends on Pillow and NumPy only. Rescaling, mean/std and the
layout change are inside the ONNX graph.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLIP_SIDE = 224
"""Side of CLIP ViT-B/32's input, pixels."""

PREPROCESSING_ID = "clip-224-bicubic-centre/1"
"""Names what this module does; part of a score's receipt, so it must change when the pixels would."""


def clip_pixels(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resizes the shortest side to 224 (bicubic, antialiased) and crops the centre.

    The arithmetic is that of transformers' ``CLIPImageProcessor`` on its Pillow path: the longer side is truncated to
    an integer and the crop offset is floored.

    Args:
        rgb: [H, W, 3] uint8.

    Returns:
        [224, 224, 3] uint8, C-contiguous.
    """
    height, width = rgb.shape[:2]
    shortest = min(height, width)
    size = (int(CLIP_SIDE * width / shortest), int(CLIP_SIDE * height / shortest))
    image = Image.fromarray(rgb)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - CLIP_SIDE) // 2, (size[1] - CLIP_SIDE) // 2
    return np.ascontiguousarray(image.crop((left, top, left + CLIP_SIDE, top + CLIP_SIDE)))
