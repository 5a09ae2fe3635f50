"""Damaged, truncated, spliced and disguised image files, reproducible from a seed."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
_MAGIC = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF....WEBP",
    b"II*\0",
    b"BM",
    b"%PDF-1.7",
    b"<svg ",
    b"MZ",
)
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def seed_images(photo: Path) -> list[bytes]:
    """Small valid files of every accepted format, some with a face, an orientation, transparency or frames."""
    pillow_heif.register_heif_opener()
    with Image.open(photo) as opened:
        face = opened.convert("RGB").resize((192, 192))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8))
    images = [_encode(image, kind) for image in (face, noise) for kind in _FORMATS]
    exif = Image.Exif()
    exif[0x0112] = 6
    images.append(_encode(face, "JPEG", exif=exif, progressive=True))
    images.append(_encode(face.convert("RGBA"), "PNG"))
    images.append(_encode(face.convert("P"), "PNG"))
    images.append(_encode(face.convert("CMYK"), "JPEG"))
    images.append(_encode(noise.convert("I;16"), "PNG"))
    images.append(_encode(noise, "GIF", save_all=True, append_images=[noise.rotate(90)]))
    images.append(bomb(60_000, 60_000))
    return images


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def mutants(seeds: list[bytes], seed: int) -> Iterator[bytes]:
    """Endless mutations of valid files.

    Args:
        seeds: Valid files.
        seed: The same seed gives the same files.
    """
    chance = random.Random(seed)
    ways: list[Callable[[random.Random, bytearray, list[bytes]], bytearray]] = [
        _flip_bits,
        _overwrite,
        _truncate,
        _insert,
        _delete,
        _splice,
        _disguise,
        _append,
    ]
    while True:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4))):
            data = chance.choice(ways)(chance, data, seeds)
        yield bytes(data)


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _place(chance: random.Random, data: bytearray) -> int:
    """A position, more often than not in the first bytes, where the headers are."""
    return chance.randrange(min(len(data), 400) if chance.random() < 0.7 else len(data)) if data else 0


def _flip_bits(chance: random.Random, data: bytearray, _: list[bytes]) -> bytearray:
    for _flip in range(chance.randrange(1, 12)):
        if data:
            data[_place(chance, data)] ^= 1 << chance.randrange(8)
    return data


def _overwrite(chance: random.Random, data: bytearray, _: list[bytes]) -> bytearray:
    place, width = _place(chance, data), chance.choice((1, 2, 4))
    value = chance.choice(_INTERESTING) & (256**width - 1)
    data[place : place + width] = value.to_bytes(width, chance.choice(("little", "big")))
    return data


def _truncate(chance: random.Random, data: bytearray, _: list[bytes]) -> bytearray:
    return data[: _place(chance, data)] if chance.random() < 0.3 else data[: chance.randrange(len(data) + 1)]


def _insert(chance: random.Random, data: bytearray, _: list[bytes]) -> bytearray:
    place = _place(chance, data)
    data[place:place] = chance.randbytes(chance.randrange(1, 64))
    return data


def _delete(chance: random.Random, data: bytearray, _: list[bytes]) -> bytearray:
    place = _place(chance, data)
    del data[place : place + chance.randrange(1, 64)]
    return data


def _splice(chance: random.Random, data: bytearray, seeds: list[bytes]) -> bytearray:
    other = chance.choice(seeds)
    return data[: _place(chance, data)] + other[chance.randrange(len(other)) :]


def _disguise(chance: random.Random, data: bytearray, _: list[bytes]) -> bytearray:
    magic = chance.choice(_MAGIC)
    data[: len(magic)] = magic
    return data


def _append(chance: random.Random, data: bytearray, seeds: list[bytes]) -> bytearray:
    return data + chance.choice((b"PK\x03\x04", b"<script>", chance.choice(seeds), chance.randbytes(99)))
