"""Encoded image bytes to upright RGB pixels, safely.

Imported by the gateway and by Triton's ``image_decoder``, so that both decode a file to the same pixels; it and what it
imports depend on Pillow and NumPy only.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from facestats.images.containers import pixel_file
from facestats.images.containers.pixel_file import PixelFile, damaged
from facestats.images.limits import ImageError, ImageLimits
from facestats.images.samples import rgb_image
from facestats.images.signatures import unsupported

_LOG = logging.getLogger("facestats.images")


@dataclass(frozen=True)
class OpenedImage:
    """An image whose header has been read and found within the limits, and whose pixels are not decoded yet.

    Attributes:
        format: Pillow's name of the format, found from the content.
        width: Pixels, as stored (before it is turned upright).
        height: Pixels, as stored.
    """

    format: str
    width: int
    height: int
    _image: Image.Image
    _file: PixelFile
    _limits: ImageLimits

    @property
    def pixels(self) -> int:
        """Width x height."""
        return self.width * self.height

    def decode(self) -> NDArray[np.uint8]:
        """The pixels; to be asked once, from any thread.

        The orientation is applied; transparency is laid over white; grey, palette, CMYK and deeper samples become 8-bit
        RGB.

        Returns:
            [H, W, 3] uint8 RGB, upright, C-contiguous.

        Raises:
            ImageError: ``truncated-image``.
        """
        with _decoding(), self._image as image:
            side = self._limits.reduced_decode_side
            if side and self.format == "JPEG":
                image.draft(image.mode, (side, side))
            image.load()
            rgb = rgb_image(image, self._file.samples)
            for turn in self._file.turns:
                rgb = rgb.transpose(turn)
            return np.ascontiguousarray(rgb)


def open_image(data: bytes | memoryview, limits: ImageLimits | None = None) -> OpenedImage:
    """Finds an image file's format and size and applies the limits, without decoding.

    Args:
        data: The encoded file (JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF).
        limits: What to refuse; the defaults if absent.

    Raises:
        ImageError: Not an image, unsupported, outside ``limits``, or damaged.
    """
    limits = limits or ImageLimits()
    limits.check_bytes(len(data))
    with _decoding():
        file = pixel_file(bytes(data))
        image = _open(file)
        limits.check_size(*image.size)
        _check_frames(image, file, limits.max_frames)
        return OpenedImage(file.format, *image.size, image, file, limits)


def decode_image(data: bytes | memoryview, limits: ImageLimits | None = None) -> NDArray[np.uint8]:
    """Decodes one image file; ``open_image`` and ``OpenedImage.decode`` in one.

    Returns:
        [H, W, 3] uint8 RGB, upright, C-contiguous.

    Raises:
        ImageError: Not an image, unsupported, outside ``limits``, or damaged.
    """
    return open_image(data, limits).decode()


@contextlib.contextmanager
def _decoding() -> Iterator[None]:
    """The one boundary to the decoders: whatever they raise on a file means that this file is damaged."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("too-many-pixels", f"The image declares too many pixels ({_reason(error)}).") from error
    except Exception as error:
        _LOG.debug("the decoder raised %s", type(error).__name__)
        raise damaged(_reason(error)) from error


def _open(file: PixelFile) -> Image.Image:
    pillow_heif.register_heif_opener()
    try:
        return Image.open(io.BytesIO(file.data), formats=[file.format])
    except OSError as error:
        # Of these two the header was whole; what the decoder does not know is this arrangement of the samples.
        if file.format in ("TIFF", "BMP"):
            raise unsupported(f"{file.format} with unusual samples or compression") from error
        if isinstance(error, UnidentifiedImageError):
            raise damaged("its header cannot be read") from error
        raise


def _check_frames(image: Image.Image, file: PixelFile, most: int) -> None:
    frames = int(getattr(image, "n_frames", 1)) if file.frames is None else file.frames
    if frames > most:
        raise ImageError("animated-image", f"The image is an animation; frames allowed: {most}. Send a still picture.")


def _reason(error: BaseException) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
