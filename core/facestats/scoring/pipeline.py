"""The one way of a photo: bytes -> faces and geometry -> Triton -> blend -> document."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Protocol

import structlog
from opentelemetry.trace import NoOpTracer, SpanKind, Tracer

from facestats.deadline import Deadline
from facestats.faces.measurer import FaceMeasurer, MeasuredPhoto
from facestats.faces.options import ScoreOptions
from facestats.holistic.backend import (
    Holistic,
    HolisticBackend,
    HolisticDeadlineError,
    HolisticRequestError,
    HolisticUnavailableError,
    HolisticWatch,
)
from facestats.images.imaging import OpenedImage
from facestats.problems import Problem
from facestats.scoring.admission import Admission, Permit
from facestats.scoring.documents import score_document
from facestats.scoring.gathering import Gathering
from facestats.scoring.intake import Intake, ScoreObserver
from facestats.scoring.receipt import Design
from facestats.scoring.schemas import ScoreDocument

_ORPHAN_SECONDS = 60.0
"""How long a call to Triton that nobody waits for any more may keep its permit; a frozen server must not for ever."""


class PhotoScorer(Protocol):
    """What a photo is handed to: the pipeline here, or Triton's ``psl``."""

    async def score(
        self, data: bytes, options: ScoreOptions, deadline: Deadline, *, wait: bool = False
    ) -> ScoreDocument:
        """Scores one encoded image."""

    async def measure(self, data: bytes, options: ScoreOptions, deadline: Deadline) -> object:
        """Makes sure that a photo can be measured."""


class Scorer:
    """Scores photos; used by the routes, the batch route and bulk scoring alike.

    Args:
        measurer: Decodes and measures, in its own threads.
        backend: Computes the holistic half.
        watch: What is known about Triton.
        design: How the score is made.
        admission: Permits; without it every photo is taken in.
        observer: Told of every outcome.
        tracer: Spans for the two halves.
        gathering: Lets photos go to Triton together; without it each goes at once.
    """

    def __init__(
        self,
        measurer: FaceMeasurer,
        backend: HolisticBackend,
        watch: HolisticWatch,
        design: Design,
        admission: Admission | None = None,
        observer: ScoreObserver | None = None,
        tracer: Tracer | None = None,
        gathering: Gathering | None = None,
    ) -> None:
        self._measurer = measurer
        self._backend = backend
        self._watch = watch
        self._design = design
        self._intake = Intake(measurer.open, admission or Admission(sys.maxsize, sys.maxsize), observer)
        self._observer = observer
        self._tracer = tracer or NoOpTracer()
        self._gathering = gathering or Gathering(threads=sys.maxsize, size=1, seconds=0)
        self._log = structlog.get_logger("facestats.pipeline")

    async def score(
        self, data: bytes, options: ScoreOptions, deadline: Deadline, *, wait: bool = False
    ) -> ScoreDocument:
        """Scores one encoded image.

        Args:
            data: The encoded image.
            options: The caller's choices.
            deadline: The request's time budget.
            wait: Whether to wait for a permit instead of refusing at once; for callers that are bounded themselves.

        Raises:
            Problem: The image cannot be scored, there is no room, Triton is away, or the deadline passed.
        """
        start = time.perf_counter()
        if not self._design.degrade:
            self._require_triton()
        async with self._intake.admitted(data, deadline, wait=wait) as (image, permit):
            photo = await self._measure(image, options, deadline, permit)
            triton_start = time.perf_counter()
            holistic = await self._holistic(photo, options, deadline, permit)
        end = time.perf_counter()
        seconds = photo.seconds | {"triton": end - triton_start, "total": end - start}
        if self._observer is not None:
            self._observer.scored(seconds, len(photo.faces))
        parts = (photo, holistic, options, self._watch.state.provenance, self._design, seconds)
        return await asyncio.to_thread(score_document, *parts) if options.large_answer else score_document(*parts)

    async def measure(self, data: bytes, options: ScoreOptions, deadline: Deadline) -> MeasuredPhoto:
        """The gateway's own half alone: faces and geometry, without Triton.

        Args:
            data: The encoded image.
            options: The caller's choices.
            deadline: The request's time budget.

        Raises:
            Problem: The image cannot be used, holds no usable face, there is no room, or time ran out.
        """
        async with self._intake.admitted(data, deadline, wait=False) as (image, permit):
            return await self._measure(image, options, deadline, permit)

    async def _measure(
        self, image: OpenedImage, options: ScoreOptions, deadline: Deadline, permit: Permit
    ) -> MeasuredPhoto:
        """Measures in a thread. It cannot be stopped amid decoding, so until it ends the photo keeps its permit.

        Nor is a photo taken back that still waits for a thread: the queue would hold its bytes all the same. The thread
        finds that nobody waits any more and drops it.
        """
        submitted = time.perf_counter()
        with self._gathering.coming(), self._tracer.start_as_current_span("measure faces"):
            future = self._measurer.executor.submit(self._measurer.measure_photo, image, options, deadline, submitted)
            measuring = asyncio.wrap_future(future)
            permit.keep_until_done(measuring)
            # Its failure is for whoever waits; when nobody does, it is no news.
            measuring.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                with deadline.limit():
                    return await asyncio.shield(measuring)
            except asyncio.CancelledError:
                deadline.abandon()
                raise

    async def _holistic(
        self, photo: MeasuredPhoto, options: ScoreOptions, deadline: Deadline, permit: Permit
    ) -> Holistic | None:
        """The holistic half, or ``None`` when Triton is away and geometry may answer alone."""
        deadline.check()
        if not self._watch.state.ready and self._design.degrade:
            return None
        self._require_triton()
        try:
            with deadline.limit():
                await self._gathering.join()
            with (
                self._tracer.start_as_current_span("triton", kind=SpanKind.CLIENT, record_exception=False),
                deadline.limit(),
            ):
                return await asyncio.shield(self._ask(photo, options, deadline, permit))
        except HolisticDeadlineError:
            failure = unavailable("It did not answer in time.")
        except HolisticRequestError as error:
            # Our own requests are well formed: such a failure (out of shared memory, say) is Triton's and may pass.
            self._log.error("triton failed on a request", reason=str(error))
            failure = unavailable("It failed on this request.")
        except HolisticUnavailableError as error:
            self._watch.report_unavailable(f"Triton did not answer: {error}")
            failure = unavailable("Triton did not answer.")
        if self._design.degrade:
            return None
        raise failure

    def _ask(
        self, photo: MeasuredPhoto, options: ScoreOptions, deadline: Deadline, permit: Permit
    ) -> asyncio.Task[Holistic]:
        """Asks Triton. The call goes on when nobody waits any more, and keeps the photo's permit.

        Triton has no way to take back what an ensemble has queued, so a caller that gives up must not make room for the
        next one there: what waits in Triton would be bounded by nothing.
        """
        call = self._backend.infer(
            photo.pixels,
            timeout=max(deadline.remaining, _ORPHAN_SECONDS),
            embedding="embedding" in options.include,
            attributes=tuple(self._watch.state.provenance.attributes),
        )
        task = asyncio.create_task(call)
        # Its failure is for whoever waits; when nobody does, it is no news.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        permit.keep_until_done(task)
        return task

    def _require_triton(self) -> None:
        state = self._watch.state
        if not state.ready:
            raise unavailable(state.reason)


def unavailable(reason: str) -> Problem:
    """The problem of a photo that Triton cannot answer for now."""
    return Problem("triton-unavailable", f"The model server cannot answer: {reason}", retry_after=5)
