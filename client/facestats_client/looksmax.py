"""Drop-in for the LooksmaxAI backend's ``calculate_attractiveness_score``."""

from __future__ import annotations

import functools
import logging
import os
from typing import TYPE_CHECKING

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
    image_array: NDArray[np.uint8], *, url: str | None = None, api_key: str | None = None
) -> float | None:
    """The holistic score of the largest face.

    Args:
        image_array: [H, W, 3] uint8 in OpenCV's channel order, BGR; or [H, W], grey.
        url: The service; ``FACESTATS_URL`` from the environment, else ``http://127.0.0.1:8080``.
        api_key: ``FACESTATS_API_KEY`` from the environment when not given.

    Returns:
        0..100; ``None`` when there is no face, the picture is unusable, or the service cannot answer now; the reason
        is logged.

    Raises:
        UnauthorizedError: The API key is missing or wrong; ``None`` would hide a wrong set-up.
        BadParameterError: The service does not know this request (another service at that address, for example).
        TypeError: The array is not uint8.
        ValueError: The array has another shape.
    """
    client = _client(
        url or os.environ.get("FACESTATS_URL", DEFAULT_URL), api_key or os.environ.get("FACESTATS_API_KEY")
    )
    log = logging.getLogger("facestats_client")
    try:
        result = client.score(image_array if image_array.ndim == 2 else image_array[..., ::-1])
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
