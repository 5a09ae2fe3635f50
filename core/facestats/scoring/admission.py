"""Bounded permits: a photo is taken in while it is still small, or refused at once."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

from facestats.deadline import Deadline
from facestats.problems import Problem
from facestats.scoring.drain import DrainRate

_kept_work: ContextVar[list[asyncio.Future[Any]] | None] = ContextVar("kept_work", default=None)


@contextlib.contextmanager
def kept_work() -> Iterator[list[asyncio.Future[Any]]]:
    """Collects what permits inside the block are tied to, for other budgets that such work uses up as well."""
    work: list[asyncio.Future[Any]] = []
    token = _kept_work.set(work)
    try:
        yield work
    finally:
        _kept_work.reset(token)


class Permit:
    """Room for one photo, given back when the block that holds it ends, or when work that outlives the block does."""

    def __init__(self) -> None:
        self._work: asyncio.Future[Any] | None = None

    def keep_until_done(self, work: asyncio.Future[Any]) -> None:
        """Ties the permit to work that goes on when its caller has gone; each piece follows on the one before.

        Args:
            work: A thread that decodes, or a request that Triton has queued.
        """
        self._work = work
        collected = _kept_work.get()
        if collected is not None:
            collected.append(work)

    def release(self, give_back: Callable[[], None]) -> None:
        """Gives the room back now, or when the work that is still going on is done."""
        if self._work is None or self._work.done():
            give_back()
        else:
            self._work.add_done_callback(lambda _: give_back())


class Admission:
    """Counts the photos that are queued or being scored; used inside one event loop.

    Args:
        max_requests: Most photos at a time.
        max_pixels: Most pixels of all of them together, by their headers. One photo always fits.
        clock: Monotonic seconds.
    """

    def __init__(self, max_requests: int, max_pixels: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests = 0
        self.pixels = 0
        self._max_requests = max_requests
        self._max_pixels = max_pixels
        self._drain = DrainRate(clock)
        self._released = asyncio.Event()

    def check(self) -> None:
        """Refuses a request whose photo could not be admitted now, before its body is read.

        Raises:
            Problem: ``overloaded``.
        """
        if self.requests >= self._max_requests:
            raise self.overloaded(f"{self.requests} photos are being scored")

    @contextlib.asynccontextmanager
    async def admit(self, pixels: int, deadline: Deadline, *, wait: bool = False) -> AsyncIterator[Permit]:
        """Holds a permit for one photo.

        Args:
            pixels: Width x height, from its header.
            deadline: How long to wait at most.
            wait: Whether to wait for room instead of refusing; for callers that are bounded themselves, such as the
                images of a batch.

        Raises:
            Problem: ``overloaded``, or ``deadline-exceeded`` when waiting.
        """
        while wait and not self._fits(pixels):
            self._released.clear()
            with deadline.limit():
                await self._released.wait()
        self.check()
        if not self._fits(pixels):
            raise self.overloaded(f"photos of {self.pixels / 1e6:.0f} megapixels are being scored")
        self.requests += 1
        self.pixels += pixels
        self._drain.begin()
        permit = Permit()
        try:
            yield permit
        finally:
            permit.release(functools.partial(self._give_back, pixels))

    def _give_back(self, pixels: int) -> None:
        self.requests -= 1
        self.pixels -= pixels
        self._drain.end()
        self._released.set()

    def overloaded(self, reason: str) -> Problem:
        """The refusal, with the time after which what is held now will have drained."""
        return Problem("overloaded", f"The service is at its limit: {reason}.", retry_after=self.seconds_to_drain())

    def seconds_to_drain(self) -> float:
        """Time until the photos held now are done, at the rate at which the last ones were; 1 s when unknown."""
        return self._drain.seconds_for(self.requests)

    def _fits(self, pixels: int) -> bool:
        return self.requests < self._max_requests and (self.pixels == 0 or self.pixels + pixels <= self._max_pixels)
