"""What every subject is given: one photo, as a file, as CLIP's pixels, and as a phone would take it."""

from __future__ import annotations

import base64
import functools
import io
import json
import struct
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facestats.faces.captures import capture
from facestats.images.alignment import aligned_crop
from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats.landmarks.mediapipe_engine import MediaPipeEngine

PHONE_SIZE = (4032, 3024)
"""Width and height of a 12-megapixel phone photo."""


@dataclass(frozen=True)
class Workload:
    """The photo that is measured with.

    Attributes:
        path: An image file that shows one face.
    """

    path: Path

    @functools.cached_property
    def data(self) -> bytes:
        """The file's bytes."""
        return self.path.read_bytes()

    @functools.cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """[H, W, 3] uint8."""
        return decode_image(self.data)

    @functools.cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """[224, 224, 3] uint8: the aligned face, as the gateway sends it to Triton.

        Raises:
            ValueError: The photo shows no face.
        """
        with closing(MediaPipeEngine()) as engine:
            found = capture(engine, self.rgb, "stable")
        if found is None:
            raise ValueError(f"No face is found in {self.path}; benchmark with a photo of one face.")
        return clip_pixels(aligned_crop(self.rgb, found.photo_points()))

    def batch(self, size: int) -> NDArray[np.uint8]:
        """[size, 224, 224, 3] uint8."""
        return np.repeat(self.pixels[np.newaxis], size, axis=0)

    @functools.cached_property
    def phone_photo(self) -> bytes:
        """The photo enlarged to 12 megapixels, a JPEG of quality 90."""
        buffer = io.BytesIO()
        Image.fromarray(self.rgb).resize(PHONE_SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    def write_perf_analyzer_inputs(self, folder: Path) -> dict[str, Path]:
        """Writes the input files of ``perf_analyzer``: tensor name to file."""
        return {
            "IMAGE": write_perf_analyzer_input(folder / "image.json", "IMAGE", self.data),
            "PIXELS": write_perf_analyzer_input(folder / "pixels.json", "PIXELS", self.pixels),
        }


def write_perf_analyzer_input(path: Path, name: str, value: bytes | NDArray[np.uint8]) -> Path:
    """Writes an input file of ``perf_analyzer``: one tensor, a string or an array."""
    if isinstance(value, bytes):
        # perf_analyzer hands decoded base64 on as it is, and Triton wants strings with their length before them.
        string = base64.b64encode(struct.pack("<I", len(value)) + value).decode()
        tensor: dict[str, object] = {"content": {"b64": string}, "shape": [1]}
    else:
        tensor = {"content": value.ravel().tolist(), "shape": list(value.shape)}
    path.write_text(json.dumps({"data": [{name: tensor}]}))
    return path
