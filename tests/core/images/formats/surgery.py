"""Parts put into image files, sound or broken, where no library would put them."""

from __future__ import annotations

import struct
import zlib


def with_jpeg_segment(data: bytes, marker: int, body: bytes, *, length: int | None = None) -> bytes:
    """A JPEG with one more segment after its first marker; ``length`` overrides what its head says."""
    said = len(body) + 2 if length is None else length
    return data[:2] + bytes((0xFF, marker)) + said.to_bytes(2, "big") + body + data[2:]


def without_jfif(data: bytes) -> bytes:
    """A JPEG without the JFIF segment that Pillow begins with."""
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


def png_chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    """A PNG chunk; ``checksum`` overrides the right one."""
    sum_ = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)


def with_png_chunk(data: bytes, chunk: bytes, before: bytes = b"IDAT") -> bytes:
    """A PNG with a chunk put before the first one of another kind."""
    at = data.index(before) - 4
    return data[:at] + chunk + data[at:]


def with_webp_chunk(data: bytes, kind: bytes, body: bytes, *, size: int | None = None) -> bytes:
    """A WebP with a chunk at its end; ``size`` overrides what its head says."""
    said = len(body) if size is None else size
    longer = data + kind + struct.pack("<I", said) + body + b"\x00" * (len(body) % 2)
    return longer[:4] + struct.pack("<I", len(longer) - 8) + longer[8:]


def with_brand(data: bytes, brand: bytes) -> bytes:
    """HEIC or AVIF under another major brand; its own stays among the compatible ones."""
    return data[:8] + brand + data[12:]


def renamed_orientation(data: bytes) -> bytes:
    """Turns a tag that writers leave alone (0x0113) into EXIF's orientation, inside a finished file."""
    for order in (">", "<"):
        tag = struct.pack(order + "HHI", 0x0113, 3, 1)
        if tag in data:
            return data.replace(tag, struct.pack(order + "HHI", 0x0112, 3, 1))
    raise ValueError("The file holds no tag 0x0113.")


def bitmap(pixels: bytes, width: int, height: int, *, header: int, alpha_mask: int, compression: int = 3) -> bytes:
    """A 32-bit BMP with masks: BGRA rows from the bottom up under a header of this size."""
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, alpha_mask)
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, 32, compression, len(pixels), 2835, 2835, 0, 0)
    head = (info + masks).ljust(header, b"\x00")[:header]
    return b"BM" + struct.pack("<IHHI", 14 + header + len(pixels), 0, 0, 14 + header) + head + pixels
