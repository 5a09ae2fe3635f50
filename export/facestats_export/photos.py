"""The photos an export is proved on: a folder's, or the example photo in many disguises."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from facestats.images.imaging import decode_image
from facestats.images.limits import ImageError
from facestats.images.signatures import FORMATS
from facestats.places import example_photo
from facestats_export.errors import ExportError

AUGMENTATIONS = 32
"""Default parity images, the example itself among them."""

ROUNDING_PHOTOS = 16
_PROOF_SEED, _ROUNDING_SEED = 0, 1
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".tif", ".tiff", ".bmp"}


def parity_files(folder: Path | None) -> list[bytes]:
    """Encoded photos to prove an export on.

    Args:
        folder: A folder of photos; the example photo and augmentations of it if absent.

    Raises:
        ExportError: The folder holds no photo, or the example photo is missing.
    """
    if folder is None:
        disguises = list(_disguises(example_photo(), AUGMENTATIONS - 1, _PROOF_SEED))
        return [example_photo().read_bytes(), *disguises]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    readable = [data for path in found if (data := _readable(path)) is not None]
    if not readable:
        raise ExportError(f"'{folder}' holds no readable photo ({', '.join(FORMATS)}).")
    return readable


def rounding_files() -> list[bytes]:
    """Encoded photos from which 8-bit weights learn what the layers read; none is among the default parity images.

    Raises:
        ExportError: The example photo is missing.
    """
    return list(_disguises(example_photo(), ROUNDING_PHOTOS, _ROUNDING_SEED))


def _readable(path: Path) -> bytes | None:
    data = path.read_bytes()
    try:
        decode_image(data)
    except ImageError:
        return None
    return data


def _disguises(path: Path, count: int, seed: int) -> Iterator[bytes]:
    """Seeded crops, turns, mirror images, lights, colours, blurs and noises of a photo."""
    if not path.is_file():
        raise ExportError(f"the example photo '{path}' is missing; give --parity-images DIR.")
    photo = Image.fromarray(decode_image(path.read_bytes()))
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield _disguise(photo, generator)


def _disguise(photo: Image.Image, generator: np.random.Generator) -> bytes:
    side = int(min(photo.size) * generator.uniform(0.3, 1.0))
    left, top = (int(generator.integers(0, length - side + 1)) for length in photo.size)
    image = photo.crop((left, top, left + side, top + side))
    image = image.rotate(float(generator.uniform(-30, 30)), Image.Resampling.BICUBIC)
    if generator.random() < 0.5:
        image = ImageOps.mirror(image)
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(float(generator.uniform(0.4, 1.6)))
    if generator.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.5, 3))))
    pixels: NDArray[np.float64] = np.asarray(image, float) + generator.normal(
        0, generator.uniform(0, 12), (side, side, 3)
    )
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
