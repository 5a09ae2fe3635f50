"""Photos for bulk runs: the example photo in many disguises, in all of which its face is found."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def disguises(photo: Path, count: int, seed: int = 0) -> Iterator[bytes]:
    """Distinct JPEGs of a photo: turned, mirrored, cut, lit and coloured differently.

    Args:
        photo: A photo of one face, which lies around the upper middle.
        count: Number of pictures.
        seed: Of their randomness.
    """
    generator = np.random.default_rng(seed)
    with Image.open(photo) as opened:
        original = opened.convert("RGB")
    for _ in range(count):
        yield _disguise(original, generator)


def _disguise(photo: Image.Image, generator: np.random.Generator) -> bytes:
    width, height = photo.size
    image = photo.rotate(
        float(generator.uniform(-20, 20)), Image.Resampling.BICUBIC, center=(width * 0.44, height * 0.25)
    )
    # What is cut off lies outside the face: it takes up the upper middle half.
    left, right = generator.uniform(0, 0.15), generator.uniform(0.75, 1)
    image = image.crop((int(left * width), 0, int(right * width), int(generator.uniform(0.7, 1) * height)))
    if generator.random() < 0.5:
        image = ImageOps.mirror(image)
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(float(generator.uniform(0.6, 1.4)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(generator.integers(70, 95)))
    return buffer.getvalue()
