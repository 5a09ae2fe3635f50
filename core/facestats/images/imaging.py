"""Encoded image bytes to upright RGB pixels, safely.

Imported by the gateway and by Triton's ``image_decoder``, so that both decode a file to the same pixels; it therefore
depends on Pillow and NumPy only.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "GIF")
"""Pillow's names of the formats that are accepted, whatever the file is called."""

_MULTI_PICTURE_FORMATS = frozenset({"MPO", "HEIF", "TIFF"})
"""Formats whose further pictures are previews, depth maps or pages, not an animation: the first one counts."""

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the stored picture upright; 1 and anything invalid need nothing."""

_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files."""


class ImageError(Exception):
    """The bytes are not an image that can be scored.

    Attributes:
        code: A stable reason, one of ``facestats.problems.PROBLEM_TYPES``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ImageLimits:
    """What is refused before any pixel is decoded.

    Attributes:
        max_bytes: Largest encoded file, bytes.
        max_pixels: Largest width x height declared in the header, pixels.
        min_side: Smallest allowed width or height, pixels.
        max_aspect_ratio: Largest allowed longer side / shorter side.
        max_frames: Most frames of an animation; the first is scored.
        reduced_decode_side: JPEGs are decoded at the smallest scale (1, 1/2, 1/4, 1/8) of the decoder's own DCT scaling
            that leaves both sides at least this long, pixels; 0 decodes everything in full.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    min_side: int = 32
    max_aspect_ratio: float = 8.0
    max_frames: int = 1
    reduced_decode_side: int = 1024


@dataclass(frozen=True)
class ImageHeader:
    """What a file says of itself before its pixels are decoded.

    Attributes:
        format: Pillow's name of the format, found from the content.
        width: Pixels, as stored (before the EXIF orientation).
        height: Pixels, as stored.
    """

    format: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width x height."""
        return self.width * self.height


def read_header(data: bytes | memoryview, limits: ImageLimits) -> ImageHeader:
    """Reads format and size and applies the limits, without decoding.

    Raises:
        ImageError: Not an image, unsupported, or outside ``limits``.
    """
    with _open(data, limits) as image:
        return ImageHeader(image.format or "", image.width, image.height)


def decode_image(data: bytes | memoryview, limits: ImageLimits | None = None) -> NDArray[np.uint8]:
    """Decodes one image file.

    The EXIF orientation is applied; transparency is laid over white; grey, palette, CMYK and 16-bit images become 8-bit
    RGB. Embedded colour profiles are ignored, as CLIP's image processor ignores them.

    Args:
        data: The encoded file (JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF).
        limits: What to refuse; the defaults if absent.

    Returns:
        [H, W, 3] uint8 RGB, upright, C-contiguous.

    Raises:
        ImageError: Not an image, unsupported, outside ``limits``, or damaged.
    """
    limits = limits or ImageLimits()
    with _open(data, limits) as image:
        if limits.reduced_decode_side and image.format in ("JPEG", "MPO"):
            image.draft(image.mode, (limits.reduced_decode_side, limits.reduced_decode_side))
        try:
            image.load()
            rgb = _to_rgb(image)
            turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
        except _DECODER_ERRORS as error:
            raise ImageError("truncated-image", f"The image is damaged or incomplete ({_reason(error)}).") from error
    if turn is not None:
        rgb = rgb.transpose(turn)
    return np.ascontiguousarray(rgb)


def _open(data: bytes | memoryview, limits: ImageLimits) -> Image.Image:
    if len(data) == 0:
        raise ImageError("empty-body", "The image is empty (0 bytes).")
    if len(data) > limits.max_bytes:
        raise ImageError("too-many-bytes", f"The image has {len(data):,} bytes; {limits.max_bytes:,} are allowed.")
    pillow_heif.register_heif_opener()
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except Image.DecompressionBombError as error:
        raise ImageError("too-many-pixels", f"The image declares too many pixels ({_reason(error)}).") from error
    except _DECODER_ERRORS as error:
        raise ImageError("truncated-image", f"The image is damaged or incomplete ({_reason(error)}).") from error
    _check_header(image, limits)
    return image


def _check_header(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(
            "too-many-pixels", f"The image has {width} x {height} pixels; {limits.max_pixels:,} are allowed."
        )
    if min(width, height) < limits.min_side:
        raise ImageError(
            "too-small", f"The image has {width} x {height} pixels; each side needs at least {limits.min_side}."
        )
    if max(width, height) > limits.max_aspect_ratio * min(width, height):
        raise ImageError(
            "bad-aspect-ratio",
            f"The image has {width} x {height} pixels; its sides may differ {limits.max_aspect_ratio:g} times.",
        )
    try:
        too_many = _has_more_frames(image, limits.max_frames)
    except _DECODER_ERRORS as error:
        raise ImageError("truncated-image", f"The image is damaged or incomplete ({_reason(error)}).") from error
    if too_many:
        raise ImageError(
            "animated-image", f"The image is an animation; frames allowed: {limits.max_frames}. Send a still picture."
        )


def _has_more_frames(image: Image.Image, most: int) -> bool:
    if image.format in _MULTI_PICTURE_FORMATS:
        return False
    if most == 1:
        # Counting walks through a GIF to its end, which may be a million frames away.
        return bool(getattr(image, "is_animated", False))
    return bool(getattr(image, "n_frames", 1) > most)


def _unidentified(data: bytes | memoryview) -> ImageError:
    """Tells a real image of another format from something that is no image at all."""
    names = ", ".join("HEIC" if name == "HEIF" else name for name in FORMATS)
    head = bytes(data[:512]).lstrip().lower()
    if head.startswith(
        (b"%pdf", b"<svg", b"8bps", b"\x00\x00\x00\x0cjp", b"\xff\x4f\xff\x51", b"\x76\x2f\x31\x01")
    ) or (head.startswith(b"<?xml") and b"<svg" in head):
        return ImageError("unsupported-format", f"The image format is not supported; send one of {names}.")
    return ImageError("not-an-image", f"The data is not an image of a supported format ({names}).")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(_to_8_bit(np.asarray(image, np.float64))).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(samples: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Scales integer or float samples by the depth their maximum implies: 0..1, 8-bit or 16-bit."""
    samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    top = samples.max(initial=0.0)
    depth = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else 65535.0
    return np.clip(samples * (255.0 / depth), 0, 255).astype(np.uint8)


def _reason(error: BaseException) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
