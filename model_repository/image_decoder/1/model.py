"""Encoded image files to CLIP's pixels, decoded as the gateway decodes them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray
from PIL import Image

from facestats.images.imaging import ImageError, decode_image
from facestats.images.preprocessing import CLIP_SIDE, clip_pixels


class TritonPythonModel:
    """IMAGE -> PIXELS, ERROR."""

    def initialize(self, args: dict[str, str]) -> None:
        """Starts the decoding threads and loads Pillow's codecs."""
        Image.init()
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="decode")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Decodes all images of all requests side by side."""
        arrays = [pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()[:, 0] for request in requests]
        decoded = self._threads.map(decode, [data for array in arrays for data in array])
        return [self._response([next(decoded) for _ in array]) for array in arrays]

    def finalize(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()

    @staticmethod
    def _response(items: list[tuple[NDArray[np.uint8], str]]) -> Any:
        pixels = np.stack([pixels for pixels, _ in items])
        errors = np.array([[error.encode()] for _, error in items], dtype=np.object_)
        return pb_utils.InferenceResponse(
            output_tensors=[pb_utils.Tensor("PIXELS", pixels), pb_utils.Tensor("ERROR", errors)]
        )


def decode(data: bytes) -> tuple[NDArray[np.uint8], str]:
    """One file to its pixels [224, 224, 3] and an empty error, or to zeros and the reason."""
    try:
        return clip_pixels(decode_image(data)), ""
    except ImageError as error:
        return np.zeros((CLIP_SIDE, CLIP_SIDE, 3), np.uint8), f"{error.code}: {error}"
