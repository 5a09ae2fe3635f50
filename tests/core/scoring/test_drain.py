"""The drain rate is measured while there is work, in photos or in bytes."""

from __future__ import annotations

import pytest

from facestats.scoring.drain import DrainRate


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def work(rate: DrainRate, clock: Clock, seconds: float, amount: float = 1.0) -> None:
    rate.begin()
    clock.now += seconds
    rate.end(amount)


def test_nothing_measured_gives_a_second(clock: Clock) -> None:
    rate = DrainRate(clock)
    work(rate, clock, 0.5)
    assert rate.seconds_for(1000) == 1.0


def test_an_idle_hour_does_not_slow_the_rate(clock: Clock) -> None:
    rate = DrainRate(clock)
    for _ in range(10):
        work(rate, clock, 0.5)
        clock.now += 3600
    assert rate.seconds_for(20) == pytest.approx(10, rel=0.15)


def test_work_side_by_side_drains_faster(clock: Clock) -> None:
    rate = DrainRate(clock)
    for _ in range(10):
        for _ in range(4):
            rate.begin()
        clock.now += 1
        for _ in range(4):
            rate.end()
    assert rate.seconds_for(40) == pytest.approx(10, rel=0.15)


def test_amounts_have_their_unit(clock: Clock) -> None:
    rate = DrainRate(clock)
    for _ in range(20):
        work(rate, clock, 1.0, amount=500.0)
    assert rate.seconds_for(5_000) == pytest.approx(10, rel=0.1)


def test_a_stall_raises_the_time_up_to_a_minute(clock: Clock) -> None:
    rate = DrainRate(clock)
    for _ in range(20):
        work(rate, clock, 0.1)
    rate.begin()
    before = rate.seconds_for(50)
    clock.now += 20
    assert before < rate.seconds_for(50) <= 60
    clock.now += 10_000
    assert rate.seconds_for(50) == 60.0
