"""Photos scored by Triton's ``psl``: taken in here, decoded, measured and blended there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

import orjson
import structlog
from opentelemetry.trace import NoOpTracer, SpanKind, Tracer

from facestats.deadline import Deadline
from facestats.faces.options import ScoreOptions
from facestats.holistic.backend import (
    HolisticDeadlineError,
    HolisticRequestError,
    HolisticUnavailableError,
    HolisticWatch,
)
from facestats.holistic.provenance import Provenance
from facestats.problems import Problem, problem_of
from facestats.scoring.documents import model_document
from facestats.scoring.intake import Intake, ScoreObserver
from facestats.scoring.parameters import option_texts
from facestats.scoring.pipeline import PhotoScorer, unavailable
from facestats.scoring.receipt import Design
from facestats.scoring.schemas import ScoreDocument

_CANCELLING = 1.0
"""Seconds that a call outlives its deadline by, so that it is taken back, which Triton hears of."""


class PhotoModel(Protocol):
    """Triton's ``psl``."""

    def score_photo(
        self, data: bytes, choices: Mapping[str, str], *, timeout: float, patience: float
    ) -> Coroutine[Any, Any, bytes]:
        """Scores an encoded image; returns the document or the problem document, JSON.

        Args:
            data: The encoded image.
            choices: ``crop``, ``faces``, ``sex``, ``capture``, ``include`` as text.
            timeout: Seconds after which nobody waits for the answer.
            patience: Seconds after which the call itself is given up.
        """


class ForwardingScorer:
    """A ``PhotoScorer`` that hands photos on.

    A call that nobody waits for any more is taken back: ``psl`` looks at that between its stages, and Triton drops what
    it has not begun. So the permit is given back at once.

    Args:
        model: What photos are handed to.
        watch: What is known about Triton.
        intake: Permits.
        design: How a score is made here; what ``psl`` says it is made of ought to be the same.
        fallback: Answers while ``psl`` cannot; without it there is a problem.
        observer: Told of every outcome.
        tracer: A span for the call.
    """

    def __init__(
        self,
        model: PhotoModel,
        watch: HolisticWatch,
        intake: Intake,
        design: Design,
        fallback: PhotoScorer | None = None,
        observer: ScoreObserver | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._model = model
        self._watch = watch
        self._intake = intake
        self._design = design
        self._fallback = fallback
        self._observer = observer
        self._tracer = tracer or NoOpTracer()
        self._told: tuple[Provenance, str] = watch.state.provenance, ""
        self._log = structlog.get_logger("facestats.forwarding")

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
        try:
            document = await self._forward(data, options, deadline, wait=wait)
        except Problem as problem:
            if self._fallback is None or problem.code != "triton-unavailable":
                raise
            return await self._fallback.score(data, options, deadline, wait=wait)
        timing = document.timing_ms.model_copy(update={"total": (time.perf_counter() - start) * 1e3})
        if self._observer is not None:
            self._observer.scored({stage: value / 1e3 for stage, value in timing}, len(document.faces))
        self._take_receipt(document.model.receipt)
        return document.model_copy(update={"timing_ms": timing})

    async def measure(self, data: bytes, options: ScoreOptions, deadline: Deadline) -> object:
        """Makes sure that a photo can be measured.

        Args:
            data: The encoded image.
            options: The caller's choices.
            deadline: The request's time budget.

        Raises:
            Problem: The image cannot be used, holds no usable face, there is no room, Triton is away, or time ran out.
        """
        try:
            return await self._forward(data, options, deadline, wait=False)
        except Problem as problem:
            if self._fallback is None or problem.code != "triton-unavailable":
                raise
            return await self._fallback.measure(data, options, deadline)

    async def _forward(self, data: bytes, options: ScoreOptions, deadline: Deadline, *, wait: bool) -> ScoreDocument:
        state = self._watch.state
        if not state.ready:
            raise unavailable(state.reason)
        async with self._intake.admitted(data, deadline, wait=wait):
            answer = await self._ask(data, options, deadline)
            if answer.startswith(b'{"type":'):
                raise problem_of(orjson.loads(answer))
        # Landmarks, embeddings and overlays are large enough to hold up other requests while they are read.
        read = ScoreDocument.model_validate_json
        return await asyncio.to_thread(read, answer) if options.include else read(answer)

    async def _ask(self, data: bytes, options: ScoreOptions, deadline: Deadline) -> bytes:
        deadline.check()
        left = deadline.remaining
        try:
            with self._tracer.start_as_current_span("triton", kind=SpanKind.CLIENT, record_exception=False):
                return await _within(
                    deadline,
                    self._model.score_photo(data, option_texts(options), timeout=left, patience=left + _CANCELLING),
                )
        except HolisticDeadlineError:
            raise deadline.exceeded() from None
        except HolisticRequestError as error:
            self._log.error("triton failed on a request", reason=str(error))
            raise unavailable("It failed on this request.") from None
        except HolisticUnavailableError as error:
            self._watch.report_unavailable(f"Triton did not answer: {error}")
            raise unavailable("Triton did not answer.") from None

    @property
    def receipt(self) -> str:
        """The receipt of what ``psl`` answered last, as long as Triton serves the same; empty before."""
        provenance, receipt = self._told
        return receipt if provenance == self._watch.state.provenance else ""

    def _take_receipt(self, receipt: str) -> None:
        """Keeps it, and says once when Triton scores by other settings than those that are set here."""
        if receipt == self.receipt:
            return
        provenance = self._watch.state.provenance
        self._told = provenance, receipt
        own = model_document(provenance, self._design).receipt
        if receipt != own:
            self._log.warning("psl scores by other settings than the gateway's", psl=receipt, gateway=own)


async def _within(deadline: Deadline, call: Coroutine[Any, Any, bytes]) -> bytes:
    """Awaits a call and takes it back when time is up or nobody waits any more.

    Shielded from the deadline, whose cancellation a gRPC call would turn into one of its own, which nobody catches.

    Raises:
        Problem: ``deadline-exceeded``.
    """
    asking = asyncio.create_task(call)
    # Its failure is for whoever waits; when nobody does, it is no news.
    asking.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        with deadline.limit():
            return await asyncio.shield(asking)
    finally:
        asking.cancel()
