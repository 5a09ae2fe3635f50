"""Files that are scored, whatever is odd about them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.core.images.formats.case import Case
from tests.core.images.formats.scans import tiff_cases
from tests.core.images.formats.stills import bmp_and_gif_cases, iso_media_cases
from tests.core.images.formats.web import jpeg_cases, png_cases, webp_cases


def accepted_cases() -> Iterator[Case]:
    """All of them, by format."""
    yield from jpeg_cases()
    yield from png_cases()
    yield from webp_cases()
    yield from iso_media_cases()
    yield from bmp_and_gif_cases()
    yield from tiff_cases()
