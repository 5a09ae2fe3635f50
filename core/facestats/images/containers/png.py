"""PNG (W3C Recommendation, third edition): the chunks that make pixels."""

from __future__ import annotations

import binascii
import zlib

from PIL import Image

from facestats.images.containers.orientation import turns_of_exif
from facestats.images.containers.pixel_file import PixelFile, damaged
from facestats.images.signatures import unsupported

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt")
_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")
"""Where ImageMagick kept EXIF before PNG had a chunk for it."""
_MOST_TEXT = 1 << 20


def pixels_of_png(data: bytes) -> PixelFile:
    """Keeps the critical chunks and transparency; any other chunk, sound or broken, is left out.

    Raises:
        ImageError: ``unsupported-format`` (Apple's CgBI), or ``truncated-image``.
    """
    kept = [_SIGNATURE]
    turns: tuple[Image.Transpose, ...] = ()
    frames = 0
    depth = colour = 0
    animated = has_picture = False
    complete = True
    at = len(_SIGNATURE)
    while at + 8 <= len(data):
        kind = data[at + 4 : at + 8]
        start, end = at + 8, at + 8 + int.from_bytes(data[at : at + 4], "big")
        chunk, body = data[at : end + 4], data[start:end]
        # Garbage after the picture does no harm; before it nothing can be found any more.
        if not kind.isalpha() or kind == b"IEND":
            break
        if kind == b"CgBI":
            raise unsupported("PNG as Apple's build tools rewrite it")
        if kind == b"IHDR" and len(body) >= 10:
            depth, colour = body[8], body[9]
        if kind[:1].isupper():
            kept.append(chunk)
            has_picture = has_picture or kind == b"IDAT"
            complete = end + 4 <= len(data)
        elif kind == b"fcTL":
            frames += 1
        elif kind in (b"tRNS", b"eXIf", b"acTL", *_TEXTS) and _is_sound(chunk):
            if kind == b"tRNS" and not has_picture:
                kept += _transparency(body, depth, colour)
            animated = animated or kind == b"acTL"
            turns = turns or turns_of_exif(_exif(kind, body))
        at = end + 4
    if not has_picture:
        raise damaged("it holds no picture")
    if complete:
        # Nothing after the pixels is read, so that nothing there can be wrong.
        kept.append(_chunk(b"IEND", b""))
    return PixelFile("PNG", b"".join(kept), turns, frames=max(1, frames) if animated else 1)


def _is_sound(chunk: bytes) -> bool:
    return binascii.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _exif(kind: bytes, body: bytes) -> bytes:
    if kind == b"eXIf":
        return body
    keyword, _, rest = body.partition(b"\x00")
    if kind not in _TEXTS or keyword not in _RAW_PROFILES:
        return b""
    try:
        text = zlib.decompressobj().decompress(rest[1:], _MOST_TEXT) if kind == b"zTXt" else rest
        # A line with the profile's name, one with its length, then hexadecimal digits.
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except (zlib.error, ValueError):
        return b""


def _transparency(body: bytes, depth: int, colour: int) -> list[bytes]:
    """The tRNS chunk as the decoder can use it; none where it has the wrong length for its colour type.

    None either for 16-bit RGB: the decoder compares the colour with samples that it has reduced to 8 bits, and would
    find a whole range of colours where one is meant.
    """
    sizes = {0: (2,), 2: (6,) if depth < 16 else (), 3: range(1, 257)}
    return [_chunk(b"tRNS", body)] if len(body) in sizes.get(colour, ()) else []


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + binascii.crc32(kind + body).to_bytes(4, "big")
