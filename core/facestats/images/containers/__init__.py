"""Image files reduced to what makes their pixels.

Photos come with metadata that their writers broke: EXIF that is none, checksums of a tool that edited a comment, colour
profiles cut short. Decoders give up on them, though every pixel is there. Each container is therefore walked here, and
only the parts that pixels need reach the decoder; the orientation is read on the way, and what cannot be read of it
means none. XMP is never asked: what it says of orientation is a copy, or was left behind when the pixels were turned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from facestats.images.containers.bmp import pixels_of_bmp
from facestats.images.containers.gif import pixels_of_gif
from facestats.images.containers.iso_media import still_of_boxes
from facestats.images.containers.jpeg import pixels_of_jpeg
from facestats.images.containers.pixel_file import PixelFile
from facestats.images.containers.png import pixels_of_png
from facestats.images.containers.tiff import pixels_of_tiff
from facestats.images.containers.webp import pixels_of_webp
from facestats.images.signatures import ISO_MEDIA, recognise

_READERS: Mapping[str, Callable[[bytes], PixelFile]] = {
    "JPEG": pixels_of_jpeg,
    "PNG": pixels_of_png,
    "WEBP": pixels_of_webp,
    "TIFF": pixels_of_tiff,
    "BMP": pixels_of_bmp,
    "GIF": pixels_of_gif,
    ISO_MEDIA: still_of_boxes,
}


def pixel_file(data: bytes) -> PixelFile:
    """The file without what is not pixels, and how its picture lies.

    Raises:
        ImageError: ``not-an-image``, ``unsupported-format``, or ``truncated-image`` when no picture is in it.
    """
    return _READERS[recognise(data)](data)
