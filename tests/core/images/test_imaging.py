"""Decoding: every colour mode and orientation comes out upright 8-bit RGB; everything else is refused with a reason."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from facestats.images.containers.directories import Directories
from facestats.images.imaging import decode_image, open_image
from facestats.images.limits import MOST_PIXELS, ImageError, ImageLimits

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (20, 40, 210), (250, 250, 250)


def quadrants(size: tuple[int, int] = (80, 64)) -> Image.Image:
    """Four colours, so that every orientation is told apart."""
    image = Image.new("RGB", size)
    width, height = size
    for colour, corner in (
        (RED, (0, 0)),
        (GREEN, (width // 2, 0)),
        (BLUE, (0, height // 2)),
        (WHITE, (width // 2, height // 2)),
    ):
        image.paste(colour, (*corner, corner[0] + width // 2, corner[1] + height // 2))
    return image


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def refusal(data: bytes, limits: ImageLimits | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        decode_image(data, limits)
    assert str(caught.value).endswith(".")
    return caught.value.code


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
def test_formats(format: str) -> None:
    rgb = decode_image(encode(quadrants(), format))
    assert rgb.shape == (64, 80, 3)
    assert rgb.dtype == np.uint8
    np.testing.assert_allclose(rgb[8, 8], RED, atol=12)
    np.testing.assert_allclose(rgb[56, 72], WHITE, atol=12)


def test_heic() -> None:
    pillow_heif.register_heif_opener()
    rgb = decode_image(encode(quadrants(), "HEIF", quality=90))
    np.testing.assert_allclose(rgb[8, 8], RED, atol=15)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)  # fmt: skip
    stored = quadrants() if turn is None else quadrants().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = decode_image(encode(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(rgb, np.asarray(quadrants()))


def test_grey_and_cmyk_and_palette() -> None:
    grey = decode_image(encode(quadrants().convert("L"), "PNG"))
    assert grey.shape == (64, 80, 3)
    assert (grey[..., 0] == grey[..., 1]).all()
    cmyk = decode_image(encode(quadrants().convert("CMYK"), "JPEG", quality=95))
    np.testing.assert_allclose(cmyk[8, 8], RED, atol=20)
    palette = decode_image(encode(quadrants().quantize(8), "PNG"))
    np.testing.assert_allclose(palette[8, 8], RED, atol=12)


def test_transparency_is_laid_over_white() -> None:
    image = quadrants().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert (decode_image(encode(image, "PNG")) == 255).all()


def test_16_bit_grey_keeps_its_shades() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    rgb = decode_image(encode(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(rgb[..., 0], ramp >> 8)


def test_large_jpeg_is_decoded_at_reduced_scale(photo: np.ndarray) -> None:
    large = Image.fromarray(photo).resize((2400, 3200), Image.Resampling.BICUBIC)
    data = encode(large, "JPEG", quality=92)
    reduced, full = decode_image(data), decode_image(data, ImageLimits(reduced_decode_side=0))
    assert reduced.shape == (1600, 1200, 3)
    assert full.shape == (3200, 2400, 3)
    small = np.asarray(Image.fromarray(full).resize((1200, 1600), Image.Resampling.BOX), float)
    assert np.abs(small - reduced).mean() < 2


def test_not_an_image_and_empty_and_truncated() -> None:
    assert refusal(b"") == "empty-body"
    assert refusal(b"hello, this is text") == "not-an-image"
    assert refusal(b"%PDF-1.7 ...") == "unsupported-format"
    assert refusal(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "unsupported-format"
    for format in ("JPEG", "PNG", "WEBP"):
        data = encode(quadrants((320, 240)), format)
        assert refusal(data[: len(data) // 2]) == "truncated-image"


def test_limits_are_applied_before_decoding() -> None:
    data = encode(quadrants((400, 300)), "PNG")
    assert refusal(data, ImageLimits(max_bytes=100)) == "too-many-bytes"
    assert refusal(data, ImageLimits(max_pixels=100_000)) == "too-many-pixels"
    assert refusal(encode(quadrants((400, 10)), "PNG")) == "too-small"
    assert refusal(encode(quadrants((400, 40)), "PNG")) == "bad-aspect-ratio"
    assert open_image(data, ImageLimits()).pixels == 120_000


def test_decompression_bomb_is_refused_from_its_header() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert refusal(bomb) == "too-many-pixels"


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animation_is_refused_unless_allowed(format: str) -> None:
    frames = [quadrants(), quadrants().transpose(Image.Transpose.ROTATE_180)]
    two = encode(frames[0], format, save_all=True, append_images=frames[1:])
    three = encode(frames[0], format, save_all=True, append_images=[frames[1], frames[0]])
    for data, most in ((two, 1), (three, 1), (three, 2)):
        with pytest.raises(ImageError) as refusal:
            decode_image(data, ImageLimits(max_frames=most))
        assert refusal.value.code == "animated-image"
    np.testing.assert_allclose(decode_image(two, ImageLimits(max_frames=2))[8, 8], RED, atol=12)


def test_only_the_first_picture_of_a_gif_is_decoded() -> None:
    frames = [quadrants(), quadrants().transpose(Image.Transpose.ROTATE_180)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    broken = data[:-20] + bytes(20)
    np.testing.assert_allclose(decode_image(broken, ImageLimits(max_frames=2))[8, 8], RED, atol=12)


def test_an_image_is_opened_once_and_decoded_later() -> None:
    opened = open_image(encode(quadrants(), "PNG"))
    assert (opened.format, opened.width, opened.height, opened.pixels) == ("PNG", 80, 64, 5120)
    with ThreadPoolExecutor(1) as other:
        np.testing.assert_array_equal(other.submit(opened.decode).result(), np.asarray(quadrants()))


def test_whatever_a_decoder_raises_is_a_damaged_image(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class DecoderError(Exception):
        """None of the types that Pillow is known to raise."""

    def fail(image: Image.Image) -> None:
        raise DecoderError("something new")

    monkeypatch.setattr(PngImageFile, "load", fail)
    with caplog.at_level("DEBUG", "facestats.images"):
        assert refusal(encode(quadrants(), "PNG")) == "truncated-image"
    assert "DecoderError" in caplog.text


def test_no_larger_limit_can_be_configured_than_the_decoder_has() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MOST_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def test_a_field_that_promises_millions_of_values_gives_a_few() -> None:
    values = np.arange(5_000_000, dtype="<u4").tobytes()
    block = b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIII", 1, 330, 4, 5_000_000, 26, 0) + values
    directories = Directories(block)
    found = directories.integers(directories.read(directories.first).fields[330])
    assert found == tuple(range(64))
