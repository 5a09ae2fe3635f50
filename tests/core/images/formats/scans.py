"""TIFF that is scored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from tests.core.images.formats.case import Case, encoded, grey_samples, stored
from tests.core.images.formats.metadata import XMP_TURNED
from tests.core.images.formats.tiffs import LONG, SHORT, page, tiff


def tiff_cases() -> Iterator[Case]:
    """TIFF."""

    def with_outlier(samples: np.ndarray, value: float) -> np.ndarray:
        samples[:8, :8] = value
        return samples

    def thumbnail(image: Image.Image) -> np.ndarray:
        return np.asarray(image.resize((160, 125)).transpose(Image.Transpose.ROTATE_180))

    reduced = {254: (LONG, [1])}
    yield Case("TIFF", "8-bit RGB", lambda image: encoded(image, "TIFF"))
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd"):
        yield Case(
            "TIFF",
            f"compression {compression}",
            lambda image, name=compression: encoded(image, "TIFF", compression=name),  # type: ignore[misc]
        )
    for order, name in (("<", "little"), (">", "big")):
        yield Case(
            "TIFF",
            f"16-bit RGB, {name} endian",
            lambda image, order=order: tiff(page(np.asarray(image).astype("u2") * 257, order=order), order=order),  # type: ignore[misc]
        )
        for zero, photometric in ((1, "black"), (0, "white")):
            for dtype, full in (("u1", 255), ("u2", 65535), ("u4", 2**32 - 1)):

                def make(image: Image.Image, order=order, zero=zero, dtype=dtype, full=full) -> bytes:  # type: ignore[no-untyped-def]
                    light = grey_samples(image, "f8", full / 255)
                    samples = (light if zero else full - light).astype(dtype)
                    return tiff(page(samples, {262: (SHORT, [zero])}, order=order), order=order)

                yield Case(
                    "TIFF",
                    f"grey, {np.dtype(dtype).itemsize * 8} bits, {photometric} is zero, {name} endian",
                    make,
                    grey=True,
                )
    yield Case("TIFF", "1 bit, white is zero", lambda image: _one_bit(image, 0), grey=True, tolerance=100)
    yield Case("TIFF", "1 bit, black is zero", lambda image: _one_bit(image, 1), grey=True, tolerance=100)
    yield Case("TIFF", "palette", lambda image: encoded(image.quantize(256), "TIFF"), tolerance=8)
    yield Case("TIFF", "CMYK", lambda image: encoded(image.convert("CMYK"), "TIFF"))
    yield Case("TIFF", "YCbCr", lambda image: encoded(image.convert("YCbCr"), "TIFF"))
    yield Case("TIFF", "CIELAB", _cielab)
    yield Case("TIFF", "RGB with transparency", lambda image: encoded(image.convert("RGBA"), "TIFF"))
    yield Case(
        "TIFF",
        "RGB with a fourth channel that is all zero: taken as none",
        lambda image: tiff(page(np.dstack([np.asarray(image), np.zeros(image.size[::-1], np.uint8)]))),
    )
    yield Case("TIFF", "BigTIFF", lambda image: tiff(page(np.asarray(image)), big=True))
    deep = {
        "16-bit values in 32-bit integers, a few of them brighter": lambda image: with_outlier(
            grey_samples(image, "i4", 257), 2e6
        ),
        "8-bit values in 32-bit integers, a few of them brighter": lambda image: with_outlier(
            grey_samples(image, "i4"), 1000
        ),
        "floats from 0 to 1, a few of them brighter": lambda image: with_outlier(
            grey_samples(image, "f4", 1 / 255), 40.0
        ),
        "floats from 0 to 255, a few of them brighter": lambda image: with_outlier(grey_samples(image, "f4"), 1e6),
    }
    for what, samples in deep.items():
        yield Case("TIFF", f"grey, {what}", lambda image, samples=samples: tiff(page(samples(image))), grey=True)  # type: ignore[misc]
    for value in range(1, 9):
        yield Case(
            "TIFF",
            f"orientation {value}",
            lambda image, value=value: tiff(page(np.asarray(stored(image, value)), {274: (SHORT, [value])})),  # type: ignore[misc]
        )
    yield Case(
        "TIFF",
        "orientation 3 in XMP only: not turned",
        lambda image: tiff(page(np.asarray(image), {700: (1, XMP_TURNED)})),
    )
    yield Case(
        "TIFF", "EXIF directory outside the file", lambda image: tiff(page(np.asarray(image), {34665: (LONG, [2**31])}))
    )
    yield Case(
        "TIFF",
        "resolution that is a text",
        lambda image: tiff(page(np.asarray(image), {282: (2, b"72\x00"), 283: (2, b"72\x00")})),
    )
    yield Case("TIFF", "resolution divided by zero", lambda image: _zero_resolution(image))
    yield Case(
        "TIFF",
        "thumbnail first, the picture after it",
        lambda image: tiff(page(thumbnail(image), reduced), page(np.asarray(image))),
    )
    yield Case(
        "TIFF",
        "thumbnail first, the picture in its sub-directory (DNG, NEF), turned by the thumbnail's orientation",
        lambda image: tiff(
            page(thumbnail(image), {**reduced, 274: (SHORT, [6])}, [page(np.asarray(stored(image, 6)))])
        ),
    )
    yield Case("TIFF", "several pages: the first", lambda image: tiff(page(np.asarray(image)), page(thumbnail(image))))
    yield Case(
        "TIFF",
        "16-bit RGB beside raw data no larger (linear DNG)",
        lambda image: tiff(page(np.asarray(image)), page(grey_samples(image), {262: (SHORT, [32803])})),
    )


def _one_bit(image: Image.Image, zero: int) -> bytes:
    bits = np.asarray(image.convert("1")) ^ (zero == 0)
    packed = np.packbits(bits, axis=1)
    tags = {256: (LONG, [image.width]), 258: (SHORT, [1]), 262: (SHORT, [zero])}
    return tiff(page(packed, tags))


def _cielab(image: Image.Image) -> bytes:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert lab is not None
    return encoded(lab, "TIFF")


def _zero_resolution(image: Image.Image) -> bytes:
    data = encoded(image, "TIFF", dpi=(72, 72))
    at = data.index((72).to_bytes(4, "little") + (1).to_bytes(4, "little"))
    return data[:at] + bytes(8) + data[at + 8 :]
