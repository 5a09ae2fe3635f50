"""What is refused before any pixel is decoded, and how a refusal is said."""

from __future__ import annotations

from dataclasses import dataclass

MOST_PIXELS = 178_956_970
"""Pillow refuses larger images, whatever limit is set here."""


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

    def check_bytes(self, size: int) -> None:
        """Refuses a file by its size.

        Raises:
            ImageError: ``empty-body`` or ``too-many-bytes``.
        """
        if size == 0:
            raise ImageError("empty-body", "The image is empty (0 bytes).")
        if size > self.max_bytes:
            raise ImageError("too-many-bytes", f"The image has {size:,} bytes; {self.max_bytes:,} are allowed.")

    def check_size(self, width: int, height: int) -> None:
        """Refuses an image by its width and height, pixels.

        Raises:
            ImageError: ``too-many-pixels``, ``too-small`` or ``bad-aspect-ratio``.
        """
        said = f"The image has {width} x {height} pixels"
        if width * height > self.max_pixels:
            raise ImageError("too-many-pixels", f"{said}; {self.max_pixels:,} are allowed.")
        if min(width, height) < self.min_side:
            raise ImageError("too-small", f"{said}; each side needs at least {self.min_side}.")
        if max(width, height) > self.max_aspect_ratio * min(width, height):
            raise ImageError("bad-aspect-ratio", f"{said}; its sides may differ {self.max_aspect_ratio:g} times.")
