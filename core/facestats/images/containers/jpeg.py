"""JPEG (ITU-T T.81): the segments that make pixels."""

from __future__ import annotations

import re

from facestats.images.containers.orientation import turns_of_exif
from facestats.images.containers.pixel_file import PixelFile, damaged
from facestats.images.signatures import unsupported

_SOF_READ = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA})
"""Baseline, extended, progressive, lossless, and the first two of these with arithmetic coding."""
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_LS = 0xF7
_SOS, _EOI, _APP0, _APP1, _APP14, _COM = 0xDA, 0xD9, 0xE0, 0xE1, 0xEE, 0xFE
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
"""The next marker that has a segment, past fill bytes, restart markers and garbage, as libjpeg finds it."""
_MOST_SEGMENTS = 10_000
"""Before the picture; real files have dozens, a file made to keep us busy has millions."""


def pixels_of_jpeg(data: bytes) -> PixelFile:
    """Keeps tables, frame and scans, and of the application segments the two that say which colours these are.

    Raises:
        ImageError: ``unsupported-format`` (JPEG-LS, 12 bits, hierarchical), or ``truncated-image``.
    """
    kept = [b"\xff\xd8"]
    exif: bytes | None = None
    at = 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None or found[0][1] == _EOI:
            break
        marker, at = found[0][1], found.end()
        if marker == _SOS:
            kept.append(data[at - 2 :])
            return PixelFile("JPEG", b"".join(kept), turns_of_exif(exif or b""), frames=1)
        # A length below 2 is as good as none, as libjpeg takes it.
        end = at + max(2, int.from_bytes(data[at : at + 2], "big"))
        body = data[at + 2 : end]
        if marker == _JPEG_LS:
            raise unsupported("JPEG-LS")
        if marker in _SOF:
            _check_frame(marker, body)
        if marker == _APP1 and exif is None and body.startswith(b"Exif\x00"):
            exif = body
        if _makes_pixels(marker, body):
            kept.append(data[at - 2 : end])
        at = end
    raise damaged("it holds no picture")


def _makes_pixels(marker: int, body: bytes) -> bool:
    if marker == _APP0:
        return body.startswith(b"JFIF\x00") and len(body) >= 14
    if marker == _APP14:
        return body.startswith(b"Adobe") and len(body) >= 12
    return not (_APP0 <= marker <= 0xEF or marker == _COM)


def _check_frame(marker: int, body: bytes) -> None:
    if len(body) < 6:
        raise damaged("its frame header is cut off")
    if marker not in _SOF_READ:
        raise unsupported("hierarchical or arithmetic lossless JPEG")
    if body[0] != 8:
        raise unsupported(f"{body[0]}-bit JPEG")
    if body[5] not in (1, 3, 4):
        raise unsupported(f"JPEG of {body[5]} components")
    if body[1:3] == b"\x00\x00":
        raise unsupported("JPEG whose height follows its picture")
