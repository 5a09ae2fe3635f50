"""JPEG, PNG and WebP that are scored."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.core.images.formats.case import Case, encoded, exif_block, grey_samples, shipped, stored
from tests.core.images.formats.metadata import BAD_EXIF, XMP_TURNED, orientations, with_xmp
from tests.core.images.formats.surgery import (
    png_chunk,
    with_jpeg_segment,
    with_png_chunk,
    with_webp_chunk,
    without_jfif,
)

_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\x00" + XMP_TURNED
_XMP_CHUNK = png_chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + XMP_TURNED)


def jpeg_cases() -> Iterator[Case]:
    """JPEG."""

    def jpeg(image: Image.Image, **options: object) -> bytes:
        return encoded(image, "JPEG", quality=92, **options)

    yield Case("JPEG", "baseline", jpeg)
    yield Case("JPEG", "progressive", lambda image: jpeg(image, progressive=True))
    yield Case("JPEG", "arithmetic coding", shipped("arithmetic.jpg"))
    yield Case("JPEG", "lossless, 8 bits", shipped("lossless.jpg"), grey=True)
    yield Case("JPEG", "grey", lambda image: jpeg(image.convert("L")), grey=True)
    yield Case("JPEG", "CMYK, inverted as Adobe writes it", lambda image: jpeg(image.convert("CMYK")))
    yield Case("JPEG", "YCCK as Adobe writes it", shipped("ycck.jpg"))
    yield Case("JPEG", "RGB without a colour transform", lambda image: jpeg(image, keep_rgb=True))
    yield Case(
        "JPEG",
        "several pictures (MPO): the first",
        lambda image: encoded(image, "MPO", quality=92, save_all=True, append_images=[Image.new("RGB", (64, 64))]),
    )
    yield from orientations("JPEG", quality=92)
    for what, block in BAD_EXIF.items():
        yield Case("JPEG", f"EXIF {what}", lambda image, block=block: with_jpeg_segment(jpeg(image), 0xE1, block))  # type: ignore[misc]
    yield Case(
        "JPEG",
        "orientation in EXIF whose other entries are broken",
        lambda image: with_jpeg_segment(
            jpeg(stored(image, 6)),
            0xE1,
            b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x03"
            b"\x01\x0f\x00\x02\xff\xff\xff\xff\x7f\xff\xff\xff"
            b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
            b"\x87\x69\x00\x63\x00\x00\x00\x01\xff\xff\xff\xff\x00\x00\x00\x00",
        ),
    )
    yield Case(
        "JPEG",
        "orientation 3 in XMP only: not turned",
        lambda image: with_jpeg_segment(jpeg(image), 0xE1, _XMP_SEGMENT),
    )
    broken = {
        "JFIF segment cut short": (0xE0, b"JFIF\x00"),
        "Adobe segment cut short": (0xEE, b"Adobe"),
        "colour profile cut short": (0xE2, b"ICC_PROFILE\x00"),
        "index of further pictures cut short": (0xE2, b"MPF\x00MM"),
        "Photoshop block cut short": (0xED, b"Photoshop 3.0\x008BIM\x04"),
        "XMP that is no XML": (0xE1, b"http://ns.adobe.com/xap/1.0/\x00\xff\xfe<<<"),
        "segment without content": (0xE9, b""),
    }
    for what, (marker, body) in broken.items():
        yield Case(
            "JPEG",
            what,
            lambda image, marker=marker, body=body: with_jpeg_segment(without_jfif(jpeg(image)), marker, body),  # type: ignore[misc]
        )
    yield Case("JPEG", "segment of length 0", lambda image: with_jpeg_segment(jpeg(image), 0xE5, b"", length=0))


def png_cases() -> Iterator[Case]:
    """PNG."""

    def png(image: Image.Image, **options: object) -> bytes:
        return encoded(image, "PNG", compress_level=1, **options)

    def with_key(image: Image.Image, kind: bytes, pixels: bytes, key: bytes) -> bytes:
        size = image.width.to_bytes(4, "big") + image.height.to_bytes(4, "big")
        rows = len(pixels) // image.height
        raw = b"".join(b"\x00" + pixels[at : at + rows] for at in range(0, len(pixels), rows))
        chunks = png_chunk(b"IHDR", size + kind + b"\x00\x00\x00") + png_chunk(b"tRNS", key)
        return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IDAT", zlib.compress(raw, 1)) + png_chunk(b"IEND", b"")

    def deep(image: Image.Image) -> bytes:
        return (np.asarray(image).astype(">u2") * 257).tobytes()

    def raw_profile(image: Image.Image) -> bytes:
        block = exif_block(6)
        text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
        return png_chunk(b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(text))

    def opaque_palette(image: Image.Image) -> bytes:
        return png(image.quantize(255), transparency=255)

    yield Case("PNG", "8-bit RGB", png)
    yield Case("PNG", "16-bit RGB", lambda image: with_key(image, b"\x10\x02", deep(image), b"\x00\x01" * 3))
    yield Case("PNG", "16-bit grey", lambda image: png(Image.fromarray(grey_samples(image, "u2", 257))), grey=True)
    yield Case(
        "PNG",
        "16-bit grey with a transparent shade",
        lambda image: with_key(
            image, b"\x10\x00", (grey_samples(image, "u2", 257)).astype(">u2").tobytes(), b"\xff\xff"
        ),
        grey=True,
    )
    yield Case("PNG", "RGB with a transparent colour", lambda image: png(image, transparency=(255, 255, 255)))
    yield Case("PNG", "grey", lambda image: png(image.convert("L")), grey=True)
    yield Case("PNG", "grey with transparency (LA)", lambda image: png(image.convert("LA")), grey=True)
    yield Case("PNG", "RGB with transparency, laid over white", lambda image: png(image.convert("RGBA")))
    yield Case("PNG", "palette", lambda image: png(image.quantize(256)), tolerance=8)
    yield Case("PNG", "palette with transparency", opaque_palette, tolerance=12)
    yield from orientations("PNG", compress_level=1)
    for what, block in BAD_EXIF.items():
        yield Case(
            "PNG",
            f"eXIf chunk {what}",
            lambda image, block=block: with_png_chunk(png(image), png_chunk(b"eXIf", block[6:])),  # type: ignore[misc]
        )
    yield Case(
        "PNG",
        "eXIf chunk after the picture",
        lambda image: with_png_chunk(png(stored(image, 8)), png_chunk(b"eXIf", exif_block(8)[6:]), b"IEND"),
    )
    yield Case(
        "PNG",
        "EXIF as a text (ImageMagick's raw profile)",
        lambda image: with_png_chunk(png(stored(image, 6)), raw_profile(image)),
    )
    yield Case("PNG", "orientation 3 in XMP only: not turned", lambda image: with_png_chunk(png(image), _XMP_CHUNK))
    for kind in (b"pHYs", b"gAMA", b"iCCP", b"eXIf", b"tEXt", b"tRNS", b"tIME", b"acTL"):
        yield Case(
            "PNG",
            f"{kind.decode()} chunk with a wrong checksum",
            lambda image, kind=kind: with_png_chunk(  # type: ignore[misc]
                png(stored(image, 1)), png_chunk(kind, exif_block(3)[6:], checksum=1)
            ),
        )
    for kind in (b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"tRNS", b"acTL", b"zTXt"):
        yield Case(
            "PNG",
            f"{kind.decode()} chunk cut short",
            lambda image, kind=kind: with_png_chunk(png(image), png_chunk(kind, b"\x00"[: kind != b"sRGB"])),  # type: ignore[misc]
        )
    yield Case(
        "PNG",
        "colour profile that is not compressed",
        lambda image: with_png_chunk(png(image), png_chunk(b"iCCP", b"name\x00\x07nonsense")),
    )
    yield Case(
        "PNG", "garbage after the picture", lambda image: png(image)[:-12] + b"\x00\x00\x00\x05\xff\xfe\xfd\xfc!"
    )


def webp_cases() -> Iterator[Case]:
    """WebP."""

    def webp(image: Image.Image, **options: object) -> bytes:
        return encoded(image, "WEBP", quality=90, method=0, **options)

    yield Case("WebP", "lossy", webp)
    yield Case("WebP", "lossless", lambda image: webp(image, lossless=True))
    yield Case("WebP", "with transparency, laid over white", lambda image: webp(image.convert("RGBA")))
    yield from (Case("WebP", case.what, case.make) for case in orientations("WEBP", quality=90, method=0))
    for what, block in BAD_EXIF.items():
        yield Case(
            "WebP",
            f"EXIF {what}",
            lambda image, block=block: webp(image, exif=block),  # type: ignore[misc]
        )
    yield Case("WebP", "orientation 3 in XMP only: not turned", lambda image: with_xmp(webp, image))
    yield Case(
        "WebP",
        "EXIF chunk longer than the file",
        lambda image: with_webp_chunk(webp(image, exif=exif_block(1)), b"EXIF", b"Exif", size=100_000),
    )
