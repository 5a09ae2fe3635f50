"""BMP: a header and pixels."""

from __future__ import annotations

from facestats.images.containers.pixel_file import PixelFile, damaged

_FILE_HEADER = 14


def pixels_of_bmp(data: bytes) -> PixelFile:
    """Checks that the header is whole, so that whatever its decoder refuses is an arrangement that it does not know.

    Raises:
        ImageError: ``truncated-image``.
    """
    if len(data) < _FILE_HEADER + int.from_bytes(data[_FILE_HEADER : _FILE_HEADER + 4], "little"):
        raise damaged("its header is cut off")
    return PixelFile("BMP", data, frames=1)
