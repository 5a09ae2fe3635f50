"""Permits are bounded, refusals are immediate and say when to come back."""

from __future__ import annotations

import asyncio

import pytest

from facestats.deadline import Deadline
from facestats.problems import Problem
from facestats.scoring.admission import Admission


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_requests_are_refused_past_the_limit_and_taken_again_after() -> None:
    admission = Admission(2, 10**9)
    async with admission.admit(100, Deadline(1)):
        async with admission.admit(100, Deadline(1)):
            assert (admission.requests, admission.pixels) == (2, 200)
            with pytest.raises(Problem) as refusal:
                admission.check()
            assert refusal.value.code == "overloaded"
            with pytest.raises(Problem, match="limit"):
                async with admission.admit(1, Deadline(1)):
                    pass
        admission.check()
    assert (admission.requests, admission.pixels) == (0, 0)


async def test_pixels_are_bounded_but_one_photo_always_fits() -> None:
    admission = Admission(10, 1_000)
    async with admission.admit(5_000, Deadline(1)):
        with pytest.raises(Problem, match="megapixels"):
            async with admission.admit(1, Deadline(1)):
                pass
    async with admission.admit(600, Deadline(1)), admission.admit(400, Deadline(1)):
        assert admission.pixels == 1_000


async def test_permit_is_returned_when_the_work_fails() -> None:
    admission = Admission(1, 10**9)
    with pytest.raises(RuntimeError):
        async with admission.admit(1, Deadline(1)):
            raise RuntimeError
    assert admission.requests == 0


async def test_permit_outlives_its_caller_with_the_work_that_goes_on() -> None:
    admission = Admission(1, 10**9)
    work = asyncio.get_running_loop().create_future()
    async with admission.admit(100, Deadline(1)) as permit:
        permit.keep_until_done(work)
    assert (admission.requests, admission.pixels) == (1, 100)
    work.set_exception(ConnectionError())
    async with admission.admit(1, Deadline(30), wait=True):
        assert (admission.requests, admission.pixels) == (1, 1)
    assert (admission.requests, admission.pixels) == (0, 0)


async def test_waiting_ends_with_room_or_with_the_deadline() -> None:
    admission = Admission(1, 10**9)
    entered = asyncio.Event()

    async def wait() -> None:
        async with admission.admit(1, Deadline(30), wait=True):
            entered.set()

    async with admission.admit(1, Deadline(1)):
        waiting = asyncio.create_task(wait())
        with pytest.raises(Problem) as expired:
            async with admission.admit(1, Deadline(0.01), wait=True):
                pass
        assert expired.value.code == "deadline-exceeded"
        assert not entered.is_set()
    await asyncio.wait_for(waiting, 5)
    assert entered.is_set()


async def test_retry_after_is_the_queue_over_the_measured_rate() -> None:
    clock = Clock()
    admission = Admission(100, 10**9, clock)
    assert admission.seconds_to_drain() == 1.0
    for _ in range(50):
        async with admission.admit(1, Deadline(1)):
            clock.now += 0.5
    permits = [admission.admit(1, Deadline(1)) for _ in range(20)]
    for permit in permits:
        await permit.__aenter__()
    # 20 photos at 2 a second.
    assert admission.seconds_to_drain() == pytest.approx(10, rel=0.05)
    clock.now += 10_000
    assert admission.seconds_to_drain() == 60.0
    for permit in permits:
        await permit.__aexit__(None, None, None)
