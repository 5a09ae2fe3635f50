"""HEIC, AVIF, BMP and GIF that are scored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.core.images.formats.case import Case, encoded, stored
from tests.core.images.formats.metadata import orientations, with_xmp
from tests.core.images.formats.surgery import bitmap, renamed_orientation, with_brand


def iso_media_cases() -> Iterator[Case]:
    """HEIC and AVIF."""

    def avif(image: Image.Image, **options: object) -> bytes:
        return encoded(image, "AVIF", quality=85, speed=10, **options)

    def heic(image: Image.Image, **options: object) -> bytes:
        return encoded(image, "HEIF", quality=85, enc_params={"preset": "ultrafast"}, **options)

    def untouched(value: int) -> bytes:
        exif = Image.Exif()
        exif[0x0113] = value
        return exif.tobytes()

    for name, write in (("HEIC", heic), ("AVIF", avif)):
        format = "HEIF" if name == "HEIC" else name
        yield Case(name, "8 bits", write)
        yield Case(name, "with transparency, laid over white", lambda image, write=write: write(image.convert("RGBA")))  # type: ignore[misc]
        options = {"quality": 85} if name == "HEIC" else {"quality": 85, "speed": 10}
        for case in orientations(format, **options):
            what = case.what.replace("EXIF orientation", "turned by the container (irot, imir), as EXIF orientation")
            yield Case(name, what, case.make)
        for value in (3, 6, 7):
            yield Case(
                name,
                f"orientation {value} in EXIF only",
                lambda image, write=write, value=value: renamed_orientation(  # type: ignore[misc]
                    write(stored(image, value), exif=untouched(value))
                ),
            )
        yield Case(
            name,
            "EXIF that is no EXIF",
            lambda image, write=write: write(image, exif=untouched(1)).replace(b"MM\x00*", b"????"),  # type: ignore[misc]
        )
        yield Case(name, "orientation 3 in XMP only: not turned", lambda image, write=write: with_xmp(write, image))  # type: ignore[misc]
        brands = [b"mif1", b"mif2", b"miaf", b"msf1"] + ([b"heix", b"heim"] if name == "HEIC" else [b"MA1B", b"avio"])
        for brand in brands:
            yield Case(
                name,
                f"major brand {brand.decode()}",
                lambda image, write=write, brand=brand: with_brand(write(image), brand),  # type: ignore[misc]
            )
    yield Case("AVIF", "grey", lambda image: avif(image.convert("L")), grey=True)
    yield Case("HEIC", "grey", lambda image: heic(image.convert("L")), grey=True)


def bmp_and_gif_cases() -> Iterator[Case]:
    """BMP and GIF."""

    def masked(image: Image.Image, header: int, alpha: int) -> bytes:
        rgba = np.dstack([np.asarray(image)[::-1, :, ::-1], np.full(image.size[::-1], alpha, np.uint8)])
        return bitmap(rgba.tobytes(), *image.size, header=header, alpha_mask=0xFF000000)

    yield Case("BMP", "24 bits", lambda image: encoded(image, "BMP"))
    yield Case("BMP", "grey", lambda image: encoded(image.convert("L"), "BMP"), grey=True)
    yield Case("BMP", "palette", lambda image: encoded(image.quantize(256), "BMP"), tolerance=8)
    for name, header in (("V3", 56), ("V4", 108), ("V5", 124)):
        yield Case("BMP", f"{name} header with transparency", lambda image, header=header: masked(image, header, 255))  # type: ignore[misc]
        yield Case(
            "BMP",
            f"{name} header whose transparency is all zero: taken as none",
            lambda image, header=header: masked(image, header, 0),  # type: ignore[misc]
        )
    yield Case("GIF", "one picture", lambda image: encoded(image, "GIF"), tolerance=10)
    yield Case(
        "GIF",
        "with a transparent colour",
        lambda image: encoded(image.quantize(127), "GIF", transparency=127),
        tolerance=12,
    )
    yield Case(
        "GIF",
        "comment cut off after the picture",
        lambda image: encoded(image, "GIF")[:-1] + b"\x21\xfe\x20half",
        tolerance=10,
    )
