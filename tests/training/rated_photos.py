"""A small generated set of rated photos: one public portrait in many lights, rated by how bright it is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.jpg"


def write_rated_photos(folder: Path, count: int, seed: int = 0) -> Path:
    """Writes ``photos/*.jpg`` and ``ratings.csv`` of two raters below a folder; returns the table.

    Colours, blur, noise and spots beside the face vary at random, so that no two photos look the same.
    """
    photos = folder / "photos"
    photos.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    with Image.open(PORTRAIT) as opened:
        portrait = opened.convert("RGB")
    rows = []
    for number in range(count):
        light = float(generator.uniform(0.5, 1.5))
        image = ImageEnhance.Brightness(portrait).enhance(light)
        image = image.rotate(float(generator.uniform(-12, 12)), Image.Resampling.BICUBIC)
        pixels = np.asarray(image, float) * generator.uniform(0.7, 1.3, 3)
        for _ in range(8):
            top, left = (int(value) for value in generator.uniform(0, 400, 2))
            if not (20 < top < 260 and 100 < left < 330):
                pixels[top : top + 100, left : left + 100] = generator.uniform(0, 255, 3)
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        if generator.random() < 0.5:
            image = image.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.2, 2))))
        name = f"{number:03d}.jpg"
        image.save(photos / name, quality=90)
        for rater in ("first", "second"):
            rating = 5 + 4 * (light - 1) + float(generator.normal(0, 0.4))
            rows.append([name, f"{rating:.2f}", rater, "female", "morning" if number % 2 else "evening"])
    with (folder / "ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["filename", "rating", "rater", "sex", "group"], *rows])
    return folder / "ratings.csv"
