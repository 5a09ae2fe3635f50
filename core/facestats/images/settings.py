"""The settings that say which photos are taken.

By themselves, so that Triton's ``image_decoder`` need not load the rest of the core.
"""

from __future__ import annotations

from pydantic import Field

from facestats.images.limits import MOST_PIXELS, ImageLimits
from facestats.settings_group import SettingsGroup

MOST_FACES = 32
"""All faces of a photo go to Triton in one call, and its models take no larger batch (their ``max_batch_size``)."""


class PhotoSettings(SettingsGroup):
    """Photos."""

    max_faces: int = Field(10, ge=1, le=MOST_FACES, description="Most faces of one photo answered with `faces=all`.")
    max_image_bytes: int = Field(20_000_000, ge=1024, description="Largest encoded image, bytes.")
    max_image_pixels: int = Field(
        50_000_000, ge=4096, le=MOST_PIXELS, description="Largest image, width x height, pixels."
    )
    min_image_side: int = Field(32, ge=1, description="Smallest width and height, pixels.")
    max_aspect_ratio: float = Field(8.0, ge=1, description="Largest longer side / shorter side of an image.")
    max_frames: int = Field(1, ge=1, description="Most frames of an animated image; the first is scored.")
    reduced_decode_side: int = Field(
        1024,
        ge=0,
        description="JPEGs are decoded at the smallest DCT scale that leaves both sides this long, pixels; 0: in full.",
    )

    @property
    def image_limits(self) -> ImageLimits:
        """What is refused before decoding."""
        return ImageLimits(
            max_bytes=self.max_image_bytes,
            max_pixels=self.max_image_pixels,
            min_side=self.min_image_side,
            max_aspect_ratio=self.max_aspect_ratio,
            max_frames=self.max_frames,
            reduced_decode_side=self.reduced_decode_side,
        )
