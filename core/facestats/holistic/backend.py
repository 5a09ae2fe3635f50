"""What computes the holistic half, whichever way: its answer, its errors, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facestats.holistic.provenance import Provenance


class HolisticError(Exception):
    """The holistic half cannot be computed; its message says why."""


class HolisticUnavailableError(HolisticError):
    """The models cannot be reached, or are not ready; a later try may succeed."""


class HolisticDeadlineError(HolisticError):
    """There was no answer within the time given."""


class HolisticRequestError(HolisticError):
    """The request was refused, or failed."""


@dataclass(frozen=True)
class Holistic:
    """The answer for a batch of N faces.

    Attributes:
        score: [N] float32, 0..100.
        raw: [N] float32, the regressor's own unit.
        embedding: [N, 512] float32, L2-normalised; ``None`` unless asked for.
        attributes: Head name to its label and class probabilities for each face; empty without heads.
    """

    score: NDArray[np.float32]
    raw: NDArray[np.float32]
    embedding: NDArray[np.float32] | None
    attributes: Mapping[str, tuple[NDArray[Any], NDArray[np.float32]]]


class HolisticBackend(Protocol):
    """Computes the holistic half: Triton's ensemble over gRPC, or the same ONNX graphs in this process."""

    def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Coroutine[Any, Any, Holistic]:
        """Scores a batch of faces.

        Args:
            pixels: [N, 224, 224, 3] uint8 RGB.
            timeout: Seconds.
            embedding: Whether to return the embeddings too.
            attributes: Names of the attribute heads to run.

        Raises:
            HolisticUnavailableError: The models are away.
            HolisticDeadlineError: It took longer than ``timeout``.
            HolisticRequestError: The models failed on this request.
        """


@dataclass(frozen=True)
class HolisticState:
    """What is known of the models now.

    Attributes:
        ready: Whether scores may be asked for.
        reason: Why not; empty when ready.
        provenance: What is served (the last known while it is away).
        golden_ok: Whether the last golden check passed; ``None`` when there is none to run.
        golden_drift: Score difference of the last golden check, points; ``nan`` before the first.
    """

    ready: bool = False
    reason: str = "Triton has not answered yet."
    provenance: Provenance = field(default_factory=Provenance)
    golden_ok: bool | None = None
    golden_drift: float = math.nan


class HolisticWatch(Protocol):
    """Knows whether the models are there and what they are."""

    @property
    def state(self) -> HolisticState:
        """What is known now."""

    def report_unavailable(self, reason: str) -> None:
        """Takes a failed request as news."""
