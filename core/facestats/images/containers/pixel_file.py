"""What a container's reader hands to the decoder."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from facestats.images.limits import ImageError


@dataclass(frozen=True)
class Samples:
    """What a TIFF's tags say of its grey samples beyond Pillow's mode.

    Attributes:
        white: The value of white by the number of bits; ``None``: as the mode says.
        unsigned: 32-bit samples are unsigned, though the mode is signed.
        inverted: 0 is white.
    """

    white: int | None = None
    unsigned: bool = False
    inverted: bool = False


@dataclass(frozen=True)
class PixelFile:
    """An image file that holds nothing but its picture.

    Attributes:
        format: Pillow's name of the format.
        data: The file.
        turns: What turns the stored picture upright, in this order.
        frames: Frames of an animation as the container tells; ``None``: the decoder knows.
        samples: How its grey samples are to be read.
    """

    format: str
    data: bytes
    turns: tuple[Image.Transpose, ...] = ()
    frames: int | None = None
    samples: Samples = Samples()


def damaged(reason: str) -> ImageError:
    """The refusal of a file in which the picture is missing or incomplete.

    Args:
        reason: What was found, without a full stop.
    """
    return ImageError("truncated-image", f"The image is damaged or incomplete ({reason}).")
