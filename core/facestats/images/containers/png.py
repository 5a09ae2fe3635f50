"""PNG (W3C Recommendation, third edition): the chunks that make pixels."""

from __future__ import annotations

import binascii
import zlib

from facestats.images.containers.orientation import turns_of_exif
from facestats.images.containers.pixel_file import PixelFile, damaged
from facestats.images.signatures import unsupported

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt")
_WANTED = frozenset({b"tRNS", b"eXIf", b"acTL", *_TEXTS})
_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")
"""Where ImageMagick kept EXIF before PNG had a chunk for it."""
_MOST_TEXT = 1 << 20


def pixels_of_png(data: bytes) -> PixelFile:
    """Keeps the critical chunks and transparency; any other chunk, sound or broken, is left out.

    Raises:
        ImageError: ``unsupported-format`` (Apple's CgBI), or ``truncated-image``.
    """
    kept = [_SIGNATURE]
    exif: bytes | None = None
    profile: bytes | None = None
    frames = depth = colour = 0
    animated = has_picture = False
    complete = True
    at = len(_SIGNATURE)
    while at + 8 <= len(data):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        # Garbage after the picture does no harm; before it nothing can be found any more.
        if not kind.isalpha() or kind == b"IEND":
            break
        if kind == b"CgBI":
            raise unsupported("PNG as Apple's build tools rewrite it")
        if kind == b"IHDR" and at + 18 <= len(data):
            depth, colour = data[at + 16], data[at + 17]
        if kind[:1].isupper():
            kept.append(data[at:end])
            has_picture = has_picture or kind == b"IDAT"
            complete = end <= len(data)
        elif kind == b"fcTL":
            frames += 1
        elif kind in _WANTED and _is_sound(chunk := data[at:end]):
            body = chunk[8:-4]
            if kind == b"tRNS" and not has_picture:
                kept += _transparency(body, depth, colour)
            elif kind == b"eXIf" and exif is None:
                exif = body
            elif kind in _TEXTS and profile is None:
                profile = _raw_profile(kind, body)
            animated = animated or kind == b"acTL"
        at = end
    if not has_picture:
        raise damaged("it holds no picture")
    if complete:
        # Nothing after the pixels is read, so that nothing there can be wrong.
        kept.append(_chunk(b"IEND", b""))
    turns = turns_of_exif(exif or b"") or turns_of_exif(profile or b"")
    return PixelFile("PNG", b"".join(kept), turns, frames=max(1, frames) if animated else 1)


def _is_sound(chunk: bytes) -> bool:
    return binascii.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _raw_profile(kind: bytes, body: bytes) -> bytes | None:
    """The EXIF block in a text; ``None`` where the text is another one, empty where it cannot be read."""
    keyword, _, rest = body.partition(b"\x00")
    if keyword not in _RAW_PROFILES:
        return None
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
