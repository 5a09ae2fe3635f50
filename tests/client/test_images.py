"""Whatever holds a picture becomes the bytes of an image file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facestats.images.imaging import decode_image
from facestats_client.images import image_bytes
from tests.core.images.formats.metadata import XMP_TURNED


def test_files_and_bytes_are_sent_untouched(example_path: Path) -> None:
    data = example_path.read_bytes()
    for source in (example_path, str(example_path), data, bytearray(data), memoryview(data)):
        assert image_bytes(source) == data


def test_pictures_in_memory_survive_losslessly(photo: NDArray[np.uint8]) -> None:
    for source in (photo, Image.fromarray(photo), photo[..., ::-1][..., ::-1]):
        np.testing.assert_array_equal(decode_image(image_bytes(source)), photo)


def test_turned_and_unusual_pictures_arrive_upright_and_readable(photo: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    # As a phone stores it: on its side, with a note how to turn it.
    Image.fromarray(np.rot90(photo)).save(buffer, "TIFF", exif=exif)
    with Image.open(buffer) as turned:
        np.testing.assert_array_equal(decode_image(image_bytes(turned)), photo)
    for mode in ("CMYK", "L", "RGBA", "P", "F", "YCbCr", "HSV", "LAB", "1", "LA", "RGBX"):
        assert (
            decode_image(image_bytes(Image.fromarray(photo).convert("L" if mode == "F" else mode))).shape == photo.shape
        )


def test_strided_channel_order_is_kept(photo: NDArray[np.uint8]) -> None:
    with Image.open(io.BytesIO(image_bytes(photo[..., ::-1]))) as image:
        np.testing.assert_array_equal(np.asarray(image), photo[..., ::-1])


def test_what_is_no_picture_is_refused_with_the_reason(photo: NDArray[np.uint8]) -> None:
    with pytest.raises(TypeError, match="float32"):
        image_bytes(photo.astype(np.float32))
    with pytest.raises(ValueError, match=r"\[512, 512, 3, 1\]"):
        image_bytes(photo[..., np.newaxis])
    with pytest.raises(TypeError, match="int"):
        image_bytes(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        image_bytes("nowhere.jpg")


@pytest.mark.parametrize("block", [b"Exif\x00\x00garbage", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08", b"\x00"])
def test_exif_that_cannot_be_read_turns_nothing(block: bytes, photo: NDArray[np.uint8]) -> None:
    for format in ("PNG", "WEBP"):
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, format, exif=block, lossless=True)
        with Image.open(buffer) as opened:
            np.testing.assert_array_equal(decode_image(image_bytes(opened)), photo)


def test_orientation_in_xmp_only_turns_nothing(photo: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "WEBP", xmp=XMP_TURNED, lossless=True)
    with Image.open(buffer) as opened:
        np.testing.assert_array_equal(decode_image(image_bytes(opened)), photo)


def test_samples_of_more_than_8_bits_keep_their_shades(photo: NDArray[np.uint8]) -> None:
    grey = np.asarray(Image.fromarray(photo).convert("L"))
    pictures = {
        "I;16": grey.astype("<u2") * 257,
        "I;16B": (grey.astype("<u2") * 257).astype(">u2"),
        "I": grey.astype(np.int32) * 257,
        "F": grey.astype(np.float32) / 255,
    }
    for mode, samples in pictures.items():
        image = Image.fromarray(samples)
        assert image.mode == mode
        assert np.abs(decode_image(image_bytes(image))[..., 0].astype(int) - grey).max() <= 1


def test_a_picture_that_breaks_off_is_an_oserror(photo: NDArray[np.uint8]) -> None:
    data = image_bytes(photo)
    with Image.open(io.BytesIO(data[: len(data) // 2])) as broken, pytest.raises(OSError):  # noqa: PT011
        image_bytes(broken)
