"""A caller that gives up is answered in time; what Triton still works on keeps its permit."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facestats.deadline import Deadline
from facestats.faces.measurer import FaceMeasurer, MeasuredPhoto
from facestats.faces.options import ScoreOptions
from facestats.holistic.backend import Holistic, HolisticState, HolisticUnavailableError
from facestats.images.limits import ImageLimits
from facestats.landmarks.engines import MediaPipeEngines
from facestats.problems import Problem
from facestats.scoring.admission import Admission
from facestats.scoring.blend import BlendWeights
from facestats.scoring.gathering import Gathering
from facestats.scoring.pipeline import Scorer
from facestats.scoring.receipt import Design

FAST = ScoreOptions(capture="fast")
DESIGN = Design(BlendWeights(), "metrics", degrade=False, reduced_decode_side=1024, landmarks="mediapipe")


class SlowBackend:
    """Answers when it is told to, as a Triton with a long queue does."""

    def __init__(self) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        self.asked.set()
        await asyncio.wait_for(self.may_answer.wait(), timeout)
        ones = np.ones(len(pixels), np.float32)
        return Holistic(score=50 * ones, raw=ones, embedding=None, attributes={})


class Ready:
    state = HolisticState(ready=True, reason="")

    def report_unavailable(self, reason: str) -> None:
        raise AssertionError(reason)


class Outcomes:
    def __init__(self) -> None:
        self.scores = 0
        self.reasons: list[str] = []

    def scored(self, seconds: object, faces: int) -> None:
        self.scores += 1

    def abandoned(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.fixture(scope="module")
def measurer() -> Iterator[FaceMeasurer]:
    measurer = FaceMeasurer(1, ImageLimits(), 1, "metrics", MediaPipeEngines())
    yield measurer
    measurer.close()


async def test_a_caller_that_leaves_makes_no_room_until_triton_is_done(measurer: FaceMeasurer, face: bytes) -> None:
    backend, admission, outcomes = SlowBackend(), Admission(1, 10**9), Outcomes()
    scorer = Scorer(measurer, backend, Ready(), DESIGN, admission, outcomes)
    scoring = asyncio.create_task(scorer.score(face, FAST, Deadline(60)))
    await asyncio.wait_for(backend.asked.wait(), 60)
    scoring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scoring
    assert outcomes.reasons == ["disconnect"]
    with pytest.raises(Problem) as refusal:
        await scorer.score(face, FAST, Deadline(60))
    assert refusal.value.code == "overloaded"
    backend.may_answer.set()
    document = await scorer.score(face, FAST, Deadline(60), wait=True)
    assert document.faces[0].holistic is not None
    assert (admission.requests, outcomes.scores) == (0, 1)


async def test_past_its_deadline_a_caller_is_answered_though_triton_is_not_done(
    measurer: FaceMeasurer, face: bytes
) -> None:
    backend, admission, outcomes = SlowBackend(), Admission(2, 10**9), Outcomes()
    scorer = Scorer(
        measurer,
        backend,
        Ready(),
        replace(DESIGN, degrade=True),
        admission,
        outcomes,
    )
    await scorer.measure(face, FAST, Deadline(60))
    with pytest.raises(Problem) as problem:
        await scorer.score(face, FAST, Deadline(2))
    assert problem.value.code == "deadline-exceeded"
    assert outcomes.reasons == ["deadline"]
    assert backend.asked.is_set()
    assert admission.requests == 1
    backend.may_answer.set()
    async with admission.admit(1, Deadline(10), wait=True), admission.admit(1, Deadline(10), wait=True):
        assert admission.requests == 2


async def test_a_call_that_fails_after_its_caller_has_left_is_no_news(measurer: FaceMeasurer, face: bytes) -> None:
    class FailingBackend(SlowBackend):
        async def infer(
            self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
        ) -> Holistic:
            await super().infer(pixels, timeout=timeout, embedding=embedding, attributes=attributes)
            raise HolisticUnavailableError("killed")

    news: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: news.append(context))
    backend, admission = FailingBackend(), Admission(1, 10**9)
    scorer = Scorer(
        measurer,
        backend,
        Ready(),
        DESIGN,
        admission,
        Outcomes(),
    )
    scoring = asyncio.create_task(scorer.score(face, FAST, Deadline(60)))
    await asyncio.wait_for(backend.asked.wait(), 60)
    scoring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scoring
    backend.may_answer.set()
    async with admission.admit(1, Deadline(60), wait=True):
        pass
    gc.collect()
    assert news == []


async def test_while_photos_wait_to_be_measured_the_measured_ones_go_to_triton_together(
    measurer: FaceMeasurer, face: bytes
) -> None:
    class CountingBackend(SlowBackend):
        calls = 0

        async def infer(
            self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
        ) -> Holistic:
            self.calls += 1
            return await super().infer(pixels, timeout=timeout, embedding=embedding, attributes=attributes)

    backend = CountingBackend()
    gathering = Gathering(threads=1, size=3, seconds=60)
    scorer = Scorer(measurer, backend, Ready(), DESIGN, gathering=gathering)
    tasks = [asyncio.create_task(scorer.score(face, FAST, Deadline(60))) for _ in range(5)]
    await asyncio.wait_for(backend.asked.wait(), 60)
    await asyncio.sleep(0)
    assert backend.calls == 3
    backend.may_answer.set()
    # The last two find nobody behind them.
    assert len(await asyncio.gather(*tasks)) == 5
    assert backend.calls == 5


async def test_a_photo_that_a_thread_still_decodes_keeps_its_permit(face: bytes) -> None:
    class SlowMeasurer(FaceMeasurer):
        begun, may_end = threading.Event(), threading.Event()

        def measure_photo(self, *arguments: Any) -> MeasuredPhoto:
            self.begun.set()
            self.may_end.wait(60)
            return super().measure_photo(*arguments)

    measurer = SlowMeasurer(1, ImageLimits(), 1, "metrics", MediaPipeEngines())
    admission = Admission(10, 2 * 512 * 512)
    scorer = Scorer(measurer, SlowBackend(), Ready(), DESIGN, admission)
    first = asyncio.create_task(scorer.score(face, FAST, Deadline(60)))
    assert await asyncio.to_thread(measurer.begun.wait, 60)
    # The second waits for the only thread, and its bytes with it.
    with pytest.raises(Problem) as problem:
        await scorer.measure(face, FAST, Deadline(0.2))
    assert problem.value.code == "deadline-exceeded"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (admission.requests, admission.pixels) == (2, 2 * 512 * 512)
    measurer.may_end.set()
    async with admission.admit(2 * 512 * 512, Deadline(60), wait=True):
        assert (admission.requests, admission.pixels) == (1, 2 * 512 * 512)
    await asyncio.to_thread(measurer.close)
