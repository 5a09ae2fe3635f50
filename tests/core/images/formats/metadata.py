"""Metadata that is broken or that must not be believed, and pictures that carry it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PIL import Image

from tests.core.images.formats.case import Case, encoded, exif_block, stored

XMP_TURNED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="3"/></rdf:RDF></x:xmpmeta>'
)
BAD_EXIF = {
    "that is no EXIF": b"Exif\x00\x00this is not a TIFF structure",
    "cut off after its head": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08",
    "pointing outside itself": b"Exif\x00\x00II*\x00\xff\xff\xff\x7f",
    "that promises 65,535 entries": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + bytes(30),
}


def orientations(format: str, **options: object) -> Iterator[Case]:
    """The photo stored in each of the eight ways, with the orientation that brings it back."""
    for value in range(1, 9):
        yield Case(
            format,
            f"EXIF orientation {value}",
            lambda image, value=value: encoded(stored(image, value), format, exif=exif_block(value), **options),  # type: ignore[misc]
        )


def with_xmp(write: Callable[..., bytes], image: Image.Image) -> bytes:
    """A file whose XMP says that the picture is upside down.

    Written with a tag of the same length, since some writers turn the picture when they see the real one.
    """
    disguised = XMP_TURNED.replace(b"Orientation", b"Xrientation")
    return write(image, xmp=disguised).replace(b"Xrientation", b"Orientation")
