"""Files that are refused, and with which problem."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from benchmarks.mutations import bomb
from tests.core.images.formats.case import Case, encoded, shipped
from tests.core.images.formats.surgery import bitmap, png_chunk, with_png_chunk
from tests.core.images.formats.tiffs import LONG, SHORT, Page, page, tiff

UNSUPPORTED = "unsupported-format"


def refused_cases() -> Iterator[Case]:
    """All of them, by format."""
    yield from _other_image_formats()
    yield from _camera_raw()
    yield from _video_and_documents()
    yield from _unread_kinds()
    yield from _broken()
    yield from _outside_the_limits()


def _always(data: bytes) -> Callable[[Image.Image], bytes]:
    return lambda image: data.ljust(200, b"\x00")


def _other_image_formats() -> Iterator[Case]:
    for what, name in {
        "JPEG XL, codestream": "jpeg_xl.jxl",
        "JPEG XL, in boxes": "jpeg_xl_boxes.jxl",
        "JPEG 2000, codestream (.j2k)": "jpeg_2000.j2k",
        "JPEG 2000, in boxes (.jp2)": "jpeg_2000.jp2",
        "JPEG-LS": "jpeg_ls.jls",
        "JPEG XR": "jpeg_xr.jxr",
    }.items():
        yield Case("Other formats", what, shipped(name), UNSUPPORTED)
    for format in ("ICO", "ICNS", "PPM", "TGA", "PCX", "SGI", "DDS", "EPS", "PDF", "QOI"):
        yield Case(
            "Other formats",
            format.replace("PPM", "PNM"),
            lambda image, format=format: encoded(image.resize((64, 64)), format),  # type: ignore[misc]
            UNSUPPORTED,
        )
    heads = {
        "Photoshop": b"8BPS\x00\x01",
        "OpenEXR": b"v/1\x01\x02\x00\x00\x00",
        "Radiance HDR": b"#?RADIANCE\n",
        "GIMP": b"gimp xcf file",
        "CUR": b"\x00\x00\x02\x00\x01\x00",
        "PFM": b"PF\n64 64\n-1.0\n",
        "DICOM": bytes(128) + b"DICM",
        "FITS": b"SIMPLE  =                    T",
        "SVG": b"\xef\xbb\xbf\n<svg xmlns='http://www.w3.org/2000/svg'/>",
        "SVG behind an XML declaration": b"<?xml version='1.0'?><!-- drawn by hand --><svg/>",
        "SVG, 16-bit": "\ufeff<svg/>".encode("utf-16-le"),
        "DjVu": b"AT&TFORM",
        "XPM": b"/* XPM */",
    }
    for what, head in heads.items():
        yield Case("Other formats", what, _always(head), UNSUPPORTED)


def _camera_raw() -> Iterator[Case]:
    def sensor(image: Image.Image, photometric: int, dtype: str = "u2") -> Page:
        return page(np.asarray(image.convert("L")).astype(dtype), {254: (LONG, [0]), 262: (SHORT, [photometric])})

    def preview(image: Image.Image, *inner: Page) -> Page:
        return page(np.asarray(image.resize((160, 125))), {254: (LONG, [1])}, inner)

    raw = "Camera raw"
    yield Case(
        raw,
        "DNG, NEF, ARW: colour filter array under a preview",
        lambda image: tiff(preview(image, sensor(image, 32803))),
        UNSUPPORTED,
    )
    yield Case(
        raw, "DNG: linear raw under a preview", lambda image: tiff(preview(image, sensor(image, 34892))), UNSUPPORTED
    )
    yield Case(
        raw,
        "DNG: colour filter array and a preview of its size",
        lambda image: tiff(page(np.asarray(image), {254: (LONG, [1])}), sensor(image, 32803)),
        UNSUPPORTED,
    )
    yield Case(
        raw, "PEF: colour filter array first", lambda image: tiff(sensor(image, 32803), preview(image)), UNSUPPORTED
    )
    yield Case(raw, "CR2", _always(b"II*\x00\x10\x00\x00\x00CR\x02\x00"), UNSUPPORTED)
    heads = {
        "CR3": _ftyp(b"crx ", b"isom"),
        "CRW": b"II\x1a\x00\x00\x00HEAPCCDR",
        "RAF": b"FUJIFILMCCD-RAW 0201",
        "ORF": b"IIRO\x08\x00\x00\x00",
        "ORF, older": b"IIRS\x08\x00\x00\x00",
        "ORF, big endian": b"MMOR\x00\x00\x00\x08",
        "RW2": b"IIU\x00\x18\x00\x00\x00",
        "X3F": b"FOVb\x00\x00\x03\x00",
        "MRW": b"\x00MRM\x00\x00\x00\x00",
    }
    for what, head in heads.items():
        yield Case(raw, what, _always(head), UNSUPPORTED)


def _video_and_documents() -> Iterator[Case]:
    for brand in (b"isom", b"mp42", b"avc1", b"M4V ", b"3gp4", b"qt  "):
        yield Case("Videos", f"MP4 family, brand {brand.decode().strip()}", _always(_ftyp(brand, b"mp41")), UNSUPPORTED)
    heads = {
        "QuickTime without a brand": b"\x00\x00\x00\x08wide\x00\x00\x10\x00mdat",
        "Matroska, WebM": b"\x1aE\xdf\xa3\x01",
        "AVI": b"RIFF\x00\x10\x00\x00AVI LIST",
        "MPEG": b"\x00\x00\x01\xba\x44",
    }
    for what, head in heads.items():
        yield Case("Videos", what, _always(head), UNSUPPORTED)


def _unread_kinds() -> Iterator[Case]:
    def rgb(dtype: str) -> Callable[[Image.Image], bytes]:
        return lambda image: tiff(page((np.asarray(image) / 255).astype(dtype)))

    def grey(dtype: str) -> Callable[[Image.Image], bytes]:
        return lambda image: tiff(page((np.asarray(image.convert("L")) / 255).astype(dtype)))

    yield Case("JPEG", "12 bits", shipped("jpeg_12_bit.jpg"), UNSUPPORTED)
    yield Case(
        "JPEG", "hierarchical", lambda image: encoded(image, "JPEG").replace(b"\xff\xc0", b"\xff\xc5", 1), UNSUPPORTED
    )
    yield Case("TIFF", "RGB in 32-bit floats", rgb("f4"), UNSUPPORTED)
    yield Case("TIFF", "RGB in 16-bit floats", rgb("f2"), UNSUPPORTED)
    yield Case("TIFF", "grey in 64-bit floats", grey("f8"), UNSUPPORTED)
    yield Case("TIFF", "RGB in 32-bit integers", lambda image: tiff(page(np.asarray(image).astype("u4"))), UNSUPPORTED)
    yield Case("TIFF", "16-bit RGB, one plane after the other", _planes, UNSUPPORTED)
    yield Case(
        "TIFF", "compression JPEG XL", lambda image: tiff(page(np.asarray(image), {259: (SHORT, [50002])})), UNSUPPORTED
    )
    yield Case("BMP", "10 bits a colour", _ten_bits, UNSUPPORTED)
    yield Case(
        "BMP",
        "a JPEG inside",
        lambda image: bitmap(encoded(image, "JPEG"), *image.size, header=40, alpha_mask=0, compression=4),
        UNSUPPORTED,
    )
    yield Case(
        "PNG",
        "as Apple's build tools rewrite it (CgBI)",
        lambda image: with_png_chunk(encoded(image, "PNG"), png_chunk(b"CgBI", bytes(4)), b"IHDR"),
        UNSUPPORTED,
    )
    for codec in (b"avc1", b"jpeg", b"vvc1"):
        yield Case(
            "HEIC",
            f"codec {codec.decode()}",
            lambda image, codec=codec: encoded(image.resize((64, 64)), "HEIF").replace(b"hvc1", codec, 1),  # type: ignore[misc]
            UNSUPPORTED,
        )


def _broken() -> Iterator[Case]:
    for format in ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "GIF"):
        name = {"WEBP": "WebP", "HEIF": "HEIC"}.get(format, format)
        yield Case(name, "cut in half", lambda image, format=format: _half(encoded(image, format)), "truncated-image")  # type: ignore[misc]
        yield Case(name, "head only", lambda image, format=format: encoded(image, format)[:24], "truncated-image")  # type: ignore[misc]
    yield Case("No images", "nothing", lambda image: b"", "empty-body")
    for what, data in {
        "text": b"BMW is no bitmap, and this is no image",
        "HTML": b"<!doctype html><html><body><svg></svg></body></html>",
        "JSON": b'{"image": "..."}',
        "zip archive": b"PK\x03\x04\x14\x00",
        "sound": b"ID3\x04\x00\x00",
        "zeros": bytes(64),
    }.items():
        yield Case("No images", what, _always(data), "not-an-image")


def _outside_the_limits() -> Iterator[Case]:
    def animation(image: Image.Image, format: str) -> bytes:
        small = image.resize((64, 50))
        return encoded(small, format, save_all=True, append_images=[small.transpose(Image.Transpose.ROTATE_180)])

    for format in ("GIF", "WEBP", "PNG", "AVIF"):
        name = {"WEBP": "WebP"}.get(format, format)
        yield Case(
            name,
            "animation (`FACESTATS_MAX_FRAMES`)",
            lambda image, format=format: animation(image, format),  # type: ignore[misc]
            "animated-image",
        )
    limits = "Any format"
    yield Case(
        limits,
        "60,000 x 60,000 pixels in a few bytes (`FACESTATS_MAX_IMAGE_PIXELS`)",
        lambda image: bomb(60_000, 60_000),
        "too-many-pixels",
    )
    yield Case(
        limits,
        "31 pixels wide (`FACESTATS_MIN_IMAGE_SIDE`)",
        lambda image: encoded(image.resize((31, 40)), "PNG"),
        "too-small",
    )
    yield Case(
        limits,
        "more than eight times as wide as high (`FACESTATS_MAX_ASPECT_RATIO`)",
        lambda image: encoded(image.resize((400, 40)), "PNG"),
        "bad-aspect-ratio",
    )
    yield Case(
        limits,
        "more than 20 MB (`FACESTATS_MAX_IMAGE_BYTES`)",
        lambda image: encoded(image, "PNG") + bytes(20_000_000),
        "too-many-bytes",
    )


def _ftyp(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands)
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body + b"\x00\x00\x00\x10moov" + bytes(8)


def _planes(image: Image.Image) -> bytes:
    planes = (np.asarray(image).astype("u2") * 257).transpose(2, 0, 1)
    usual = page(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    return tiff(Page({**usual.tags, 284: (SHORT, [2])}, planes.tobytes()))


def _ten_bits(image: Image.Image) -> bytes:
    deep = np.asarray(image).astype("<u4") << 2
    data = bitmap(
        (deep[..., 0] << 20 | deep[..., 1] << 10 | deep[..., 2]).tobytes(), *image.size, header=124, alpha_mask=0
    )
    return data.replace(
        struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF), struct.pack("<3I", 0x3FF << 20, 0x3FF << 10, 0x3FF), 1
    )


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]
