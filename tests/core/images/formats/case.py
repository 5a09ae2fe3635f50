"""One kind of image file and what becomes of it: tests hold the decoder to it, the documentation lists it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

ROOT = Path(__file__).parents[4]
DATA = ROOT / "tests" / "data" / "images"

Upright = Image.Transpose
STORED_AS = {
    2: Upright.FLIP_LEFT_RIGHT,
    3: Upright.ROTATE_180,
    4: Upright.FLIP_TOP_BOTTOM,
    5: Upright.TRANSPOSE,
    6: Upright.ROTATE_90,
    7: Upright.TRANSVERSE,
    8: Upright.ROTATE_270,
}
"""EXIF orientation -> how the upright picture lies in such a file."""


@dataclass(frozen=True)
class Case:
    """A kind of file.

    Attributes:
        format: Section of the documentation's table.
        what: What is odd about it, for people.
        make: Makes such a file from the upright photo.
        problem: The problem's code; ``None``: the photo is scored as if it were an ordinary file.
        grey: The file has no colours.
        tolerance: Largest mean difference from the upright photo's samples, of 255.
    """

    format: str
    what: str
    make: Callable[[Image.Image], bytes]
    problem: str | None = None
    grey: bool = False
    tolerance: float = 4.0

    @property
    def name(self) -> str:
        """For test reports."""
        return f"{self.format}: {self.what}"


def example() -> Image.Image:
    """The example photo, cut so that its sides differ and every turn shows."""
    with Image.open(ROOT / "examples" / "astronaut.jpg") as image:
        return image.convert("RGB").crop((0, 0, 512, 400))


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """An image file as Pillow writes it."""
    pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """The upright picture as it lies in a file with this EXIF orientation."""
    return image.transpose(STORED_AS[orientation]) if orientation in STORED_AS else image


def exif_block(orientation: int) -> bytes:
    """EXIF that holds an orientation and nothing else, with ``Exif`` and two zero bytes before it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def shipped(name: str) -> Callable[[Image.Image], bytes]:
    """A file that no library of the project can write, from ``tests/data/images``."""
    return lambda image: (DATA / name).read_bytes()


def grey_samples(image: Image.Image, dtype: str = "u1", scale: float = 1.0) -> np.ndarray:
    """The photo in shades of grey, [H, W] of any dtype, its 0 to 255 times ``scale``."""
    return (np.asarray(image.convert("L"), np.float64) * scale).astype(dtype)
