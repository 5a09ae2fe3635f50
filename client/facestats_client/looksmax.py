"""Drop-in for the LooksmaxAI backend's ``calculate_attractiveness_score``."""

from __future__ import annotations

import functools
import logging
import os
from typing import TYPE_CHECKING, Literal

from facestats_client.client import DEFAULT_URL, FaceStatsClient
from facestats_client.errors import (
    DeadlineExceededError,
    ImageRefusedError,
    NoFaceError,
    ServiceBusyError,
    ServiceUnavailableError,
    ServiceUnreachableError,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_SCORE = (
    NoFaceError,
    ImageRefusedError,
    ServiceUnreachableError,
    ServiceUnavailableError,
    ServiceBusyError,
    DeadlineExceededError,
)


def calculate_attractiveness_score(
    image_array: NDArray[np.uint8] | None,
    *,
    channels: Literal["bgr", "rgb"] = "bgr",
    url: str | None = None,
    api_key: str | None = None,
) -> float | None:
    """The holistic score of the largest face.

    Args:
        image_array: [H, W, 3] uint8; or [H, W], grey; or ``None``, which a failed ``cv2.imread`` returns.
        channels: Order of the array's colours: ``bgr`` as OpenCV reads them, ``rgb`` as Pillow does and as that
            backend's ``image_from_bytes`` returns them.
        url: The service; ``FACESTATS_URL`` from the environment, else ``http://127.0.0.1:8080``.
        api_key: ``FACESTATS_API_KEY`` from the environment when not given.

    Returns:
        0..100; ``None`` when there is no picture or no face, the picture is unusable, or the service cannot answer now;
        the reason is logged.

    Raises:
        UnauthorizedError: The API key is missing or wrong; ``None`` would hide a wrong set-up.
        BadParameterError: The service does not know this request (another service at that address, for example).
        TypeError: The array is not uint8.
        ValueError: The array has another shape, or ``channels`` another value.
    """
    if channels not in ("bgr", "rgb"):
        raise ValueError(f"channels is 'bgr' or 'rgb', not {channels!r}")
    log = logging.getLogger("facestats_client")
    if image_array is None:
        log.warning("no holistic score: there is no picture (None)")
        return None
    client = _client(
        url or os.environ.get("FACESTATS_URL", DEFAULT_URL), api_key or os.environ.get("FACESTATS_API_KEY")
    )
    try:
        result = client.score(image_array[..., ::-1] if channels == "bgr" and image_array.ndim == 3 else image_array)
    except _NO_SCORE as error:
        log.warning("no holistic score: %s", error)
        return None
    if result.model.weights == "untrained":
        log.warning("the service's weights are untrained: this score means nothing")
    holistic = result.face.holistic
    return None if holistic is None else holistic.score


# The backend calls a bare function per request: its connections are kept here between calls.
@functools.lru_cache(maxsize=8)
def _client(url: str, api_key: str | None) -> FaceStatsClient:
    return FaceStatsClient(url, api_key=api_key, retries=1)
