"""Pillow's modes to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from facestats.images.containers.pixel_file import Samples

_WITHIN = 0.95
"""Share of the samples that must lie within a scale for it to be the file's: a few bright pixels are no reason to
darken all others."""

_FILLER_ALPHA = frozenset({"BMP", "TIFF"})
"""Formats whose fourth channel is often nothing: all zero, it does not mean that there is no picture."""


def rgb_image(image: Image.Image, samples: Samples) -> Image.Image:
    """A loaded image as 8-bit RGB: deeper samples scaled, transparency laid over white.

    Embedded colour profiles are ignored, as CLIP's image processor ignores them.

    Args:
        image: Of any mode; its format is asked where formats differ.
        samples: What the file's tags say of grey samples.
    """
    rgb = _rgb(image, samples)
    return ImageOps.invert(rgb) if samples.inverted else rgb


def _rgb(image: Image.Image, samples: Samples) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_grey(image, samples)).convert("RGB")
    if image.mode in ("La", "RGBa"):
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    if image.format in _FILLER_ALPHA and rgba.getchannel("A").getextrema() == (0, 0):
        return rgba.convert("RGB")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _grey(image: Image.Image, samples: Samples) -> NDArray[np.uint8]:
    """Grey samples of more than 8 bits as 8 bits, [H, W]."""
    if image.mode.startswith("I;16"):
        deep = np.asarray(image, np.uint16)
        white = samples.white or 65535
        grey = (deep >> 8 if white == 65535 else np.minimum(deep, white) * (255.0 / white)).astype(np.uint8)
        key = image.info.get("transparency")
        return np.where(deep == key, np.uint8(255), grey) if isinstance(key, int) else grey
    stored = np.asarray(image)
    if samples.unsigned:
        stored = stored.view(np.uint32)
    values = np.nan_to_num(stored.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(values * (255.0 / _white(values, samples)), 0, 255).astype(np.uint8)


def _white(values: NDArray[np.float64], samples: Samples) -> float:
    """White of 32-bit samples.

    Few use the 32 bits they have: integers mostly hold 8 or 16, floats 0 to 1 or the integers they came from. The
    smallest of these scales that holds nearly all samples is the file's; where none does, the depth by its tags.
    """
    scales = (255.0, 65535.0) if samples.white is not None else (1.0, 255.0, 65535.0)
    top = float(np.quantile(values, _WITHIN))
    full = float(samples.white) if samples.white is not None else top
    return next((scale for scale in (*scales, full) if top <= scale), full)
