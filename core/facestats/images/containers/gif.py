"""GIF (version 89a): the first picture."""

from __future__ import annotations

from facestats.images.containers.pixel_file import PixelFile, damaged

_EXTENSION, _PICTURE = 0x21, 0x2C
_GRAPHIC_CONTROL = 0xF9
"""The extension that says which colour is transparent; comments and applications' own are left out."""
_TRAILER = b"\x3b"


def pixels_of_gif(data: bytes) -> PixelFile:
    """Keeps the first picture and counts the others.

    Raises:
        ImageError: ``truncated-image``.
    """
    at = 13 + _colours(data, 10)
    kept = [data[:at]]
    control = b""
    frames = 0
    while at + 1 < len(data) and data[at] in (_EXTENSION, _PICTURE):
        start = at
        if data[at] == _EXTENSION:
            at = _after_blocks(data, at + 2)
            if data[start + 1] == _GRAPHIC_CONTROL:
                control = data[start:at]
        else:
            # The descriptor's 10 bytes, its own colours, and the code size before the compressed blocks.
            at = _after_blocks(data, at + 10 + _colours(data, at + 9) + 1)
            frames += 1
            if frames == 1:
                kept += [control, data[start:at]]
    if not frames:
        raise damaged("it holds no picture")
    return PixelFile("GIF", b"".join([*kept, _TRAILER]), frames=frames)


def _colours(data: bytes, flags_at: int) -> int:
    """Bytes of the colour table that these flags announce."""
    flags = data[flags_at] if flags_at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Where a run of sub-blocks ends."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
