"""Encoded image files to CLIP's pixels, decoded as the gateway decodes them and within the limits it is given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray
from PIL import Image

from facestats.images.imaging import decode_image
from facestats.images.limits import ImageError
from facestats.images.preprocessing import CLIP_SIDE, clip_pixels
from facestats.images.settings import PhotoSettings


class TritonPythonModel:
    """IMAGE -> PIXELS, ERROR."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the limits, starts the decoding threads and loads Pillow's codecs.

        Raises:
            ValueError: A ``FACESTATS_`` variable has a value that is not allowed; Triton does not load the model then.
        """
        self._limits = PhotoSettings().image_limits
        Image.init()
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="decode")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Decodes all images of all requests side by side."""
        arrays = [pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()[:, 0] for request in requests]
        decoded = self._threads.map(self._decode, [data for array in arrays for data in array])
        return [self._response([next(decoded) for _ in array]) for array in arrays]

    def finalize(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()

    def _decode(self, data: bytes) -> tuple[NDArray[np.uint8], str]:
        """One file to its pixels [224, 224, 3] and an empty error, or to zeros and the reason."""
        try:
            return clip_pixels(decode_image(data, self._limits)), ""
        except ImageError as error:
            reason = f"{error.code}: {error}"
        except Exception as error:
            # The batch holds other callers' images: whatever goes wrong with this one is this one's.
            pb_utils.Logger.log_error(f"image_decoder: {type(error).__name__}: {error}")
            reason = "internal-error: The image could not be decoded, for a reason that is not its own."
        return np.zeros((CLIP_SIDE, CLIP_SIDE, 3), np.uint8), reason

    @staticmethod
    def _response(items: list[tuple[NDArray[np.uint8], str]]) -> Any:
        pixels = np.stack([pixels for pixels, _ in items])
        errors = np.array([[error.encode()] for _, error in items], dtype=np.object_)
        return pb_utils.InferenceResponse(
            output_tensors=[pb_utils.Tensor("PIXELS", pixels), pb_utils.Tensor("ERROR", errors)]
        )
