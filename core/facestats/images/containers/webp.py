"""WebP (RFC 9649): the chunks that make pixels."""

from __future__ import annotations

from facestats.images.containers.orientation import turns_of_exif
from facestats.images.containers.pixel_file import PixelFile, damaged

_PIXELS = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})
_PICTURES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
_METADATA_FLAGS = 0b0010_1100
"""VP8X's flags for a colour profile, EXIF and XMP."""


def pixels_of_webp(data: bytes) -> PixelFile:
    """Keeps picture, transparency and frames.

    Raises:
        ImageError: ``truncated-image``.
    """
    kept: list[bytes] = []
    exif = b""
    frames = 0
    at = 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if kind == b"VP8X" and body:
            body = bytes([body[0] & ~_METADATA_FLAGS]) + body[1:]
        if kind in _PIXELS:
            # With the size that was declared, so that a picture cut short stays one.
            kept.append(kind + data[at + 4 : at + 8] + body + b"\x00" * (size % 2))
            frames += kind in _PICTURES
        elif kind == b"EXIF" and not exif:
            exif = body
        at += 8 + size + size % 2
    if not frames:
        raise damaged("it holds no picture")
    content = b"WEBP" + b"".join(kept)
    return PixelFile("WEBP", b"RIFF" + len(content).to_bytes(4, "little") + content, turns_of_exif(exif), frames)
