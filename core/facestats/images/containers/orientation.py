"""EXIF's orientation (EXIF 2.32, tag 0x0112) as the turns that bring a stored picture upright."""

from __future__ import annotations

from PIL import Image

from facestats.images.containers.directories import Directories

ORIENTATION = 0x0112

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turns_of_orientation(orientation: int) -> tuple[Image.Transpose, ...]:
    """What an orientation means; 1 and anything invalid need no turn."""
    return (_UPRIGHT[orientation],) if orientation in _UPRIGHT else ()


def turns_of_exif(block: bytes) -> tuple[Image.Transpose, ...]:
    """What an EXIF block says; a block that cannot be read says nothing.

    Args:
        block: From the byte order mark on, with or without ``Exif`` and two zero bytes before it.
    """
    while block.startswith(b"Exif\x00"):
        block = block[6:]
    if block[:4] not in (b"II\x2a\x00", b"MM\x00\x2a"):
        return ()
    directories = Directories(block)
    fields = directories.read(directories.first).fields
    return turns_of_orientation(directories.integer(fields.get(ORIENTATION), 1))
