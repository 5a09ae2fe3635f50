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
    for mode in ("CMYK", "L", "RGBA", "P", "F"):
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
