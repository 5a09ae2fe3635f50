"""Whatever holds a picture, as the bytes of an image file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ImageSource: TypeAlias = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Image.Image, "NDArray[np.uint8]"]
"""A path, an encoded file's bytes, a PIL image, or a [H, W, 3] uint8 RGB array."""

_MODES_OF_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_MODES_OF_TIFF = ("I", "F", "I;16B", "I;16L", "I;16N")
_NEAREST_MODE = {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the picture upright."""


def image_bytes(source: ImageSource) -> bytes:
    """The encoded image to send.

    Files and bytes are passed on untouched (the service reads their EXIF orientation); pictures in memory are encoded
    losslessly, upright.

    Args:
        source: A path, an encoded file's bytes, a PIL image, or an array: [H, W, 3] uint8 RGB or [H, W] uint8 grey.

    Raises:
        OSError: The file, or the PIL image's, cannot be read.
        TypeError: ``source`` is none of these, or an array that is not uint8.
        ValueError: The array has another shape.
    """
    if isinstance(source, (str, os.PathLike)):
        return Path(source).read_bytes()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, Image.Image):
        return _encoded(source)
    if hasattr(source, "__array_interface__"):
        return _file(_image_of_array(source), "PNG")
    raise TypeError(f"an image is a path, bytes, a PIL image or a uint8 array, not {type(source).__name__}")


def _image_of_array(array: NDArray[np.uint8]) -> Image.Image:
    if str(array.dtype) != "uint8":
        raise TypeError(f"an image array is uint8, this one is {array.dtype}")
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] != 3):
        raise ValueError(f"an image array is [H, W, 3] or [H, W], this one is {list(array.shape)}")
    return Image.fromarray(array)


def _encoded(image: Image.Image) -> bytes:
    """A picture in memory, upright and without loss: as PNG, or as TIFF where only that holds its samples."""
    try:
        image = _upright(image)
    except (SyntaxError, ValueError) as error:
        raise OSError(f"the picture cannot be read: {error}") from error
    if image.mode in _MODES_OF_TIFF:
        return _file(image, "TIFF")
    if image.mode not in _MODES_OF_PNG:
        image = image.convert(_NEAREST_MODE.get(image.mode, "RGB"))
    return _file(image, "PNG")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says, which the file to be sent would not carry; EXIF that cannot be read says nothing.

    Not by Pillow's ``exif_transpose``, which asks XMP too, where an orientation is often what was left behind when the
    pixels were turned.
    """
    # A PNG may hold its EXIF behind the pixels.
    image.load()
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        turn = _TURNS.get(exif.get(_ORIENTATION, 1))
    except Exception:
        # Pillow's parser raises whatever broken metadata lead to.
        return image
    return image if turn is None else image.transpose(turn)


def _file(image: Image.Image, format: str) -> bytes:
    buffer = io.BytesIO()
    # Level 1: three times the default level's speed for a tenth more bytes.
    options = {"compress_level": 1} if format == "PNG" else {}
    image.save(buffer, format, exif=b"", **options)
    return buffer.getvalue()
