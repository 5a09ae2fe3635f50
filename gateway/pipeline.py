"""The one way of a photo: bytes -> faces and geometry -> Triton -> blend -> document."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.deadline import Deadline
from gateway.documents import Design, score_document
from gateway.errors import Problem
from gateway.faces import FaceMeasurer, MeasuredPhoto, ScoreOptions
from gateway.health import TritonState
from gateway.schemas import ScoreDocument
from gateway.triton import Holistic, TritonDeadlineError, TritonRequestError, TritonUnavailableError


class HolisticBackend(Protocol):
    """Where the holistic half comes from: Triton, or the same ONNX graphs in this process."""

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        """Scores [N, 224, 224, 3] uint8 pixels; raises the errors of ``gateway.triton``."""


class TritonWatch(Protocol):
    """Knows whether Triton is there and what it serves."""

    @property
    def state(self) -> TritonState:
        """What is known now."""

    def report_unavailable(self, reason: str) -> None:
        """Takes a failed request as news."""


class Scorer:
    """Scores photos; used by the routes, the batch route and bulk scoring alike.

    Args:
        measurer: Decodes and measures, in its own threads.
        backend: Computes the holistic half.
        watch: What is known about Triton.
        design: How the score is made.
    """

    def __init__(self, measurer: FaceMeasurer, backend: HolisticBackend, watch: TritonWatch, design: Design) -> None:
        self._measurer = measurer
        self._backend = backend
        self._watch = watch
        self._design = design

    async def score(self, data: bytes, options: ScoreOptions, deadline: Deadline) -> ScoreDocument:
        """Scores one encoded image.

        Raises:
            Problem: The image cannot be scored, Triton is away, or the deadline passed.
        """
        start = time.perf_counter()
        if not self._design.degrade:
            self._require_triton()
        photo = await self.measure(data, options, deadline, start)
        triton_start = time.perf_counter()
        holistic = await self._holistic(photo, options, deadline)
        end = time.perf_counter()
        seconds = photo.seconds | {"triton": end - triton_start, "total": end - start}
        return score_document(photo, holistic, options, self._watch.state.provenance, self._design, seconds)

    async def measure(self, data: bytes, options: ScoreOptions, deadline: Deadline, start: float) -> MeasuredPhoto:
        """The gateway's own half alone: faces and geometry, without Triton.

        Args:
            data: The encoded image.
            options: The caller's choices.
            deadline: The request's time budget.
            start: ``time.perf_counter()`` at the request's beginning.

        Raises:
            Problem: The image cannot be used, holds no usable face, or time ran out.
        """
        future = self._measurer.executor.submit(self._measurer.measure_photo, data, options, deadline, start)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), deadline.remaining)
        except asyncio.TimeoutError:
            raise deadline.exceeded() from None
        except asyncio.CancelledError:
            deadline.abandon()
            raise

    async def _holistic(self, photo: MeasuredPhoto, options: ScoreOptions, deadline: Deadline) -> Holistic | None:
        """The holistic half, or ``None`` when Triton is away and geometry may answer alone."""
        deadline.check()
        try:
            self._require_triton()
            return await self._backend.infer(
                photo.pixels,
                timeout=deadline.remaining,
                embedding="embedding" in options.include,
                attributes=tuple(str(head["name"]) for head in self._watch.state.provenance.attributes),
            )
        except TritonDeadlineError:
            raise deadline.exceeded() from None
        except TritonRequestError as error:
            raise Problem("internal-error", "The model server failed on this request.") from error
        except TritonUnavailableError as error:
            self._watch.report_unavailable(f"Triton did not answer: {error}")
            unavailable = _unavailable("Triton did not answer.")
        except Problem as problem:
            unavailable = problem
        if self._design.degrade:
            return None
        raise unavailable

    def _require_triton(self) -> None:
        state = self._watch.state
        if not state.ready:
            raise _unavailable(state.reason)


def _unavailable(reason: str) -> Problem:
    return Problem("triton-unavailable", f"The model server cannot answer: {reason}", retry_after=5)
