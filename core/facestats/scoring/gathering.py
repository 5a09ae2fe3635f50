"""Photos go to Triton together while more of them are waiting to be measured."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class Gathering:
    """Holds measured photos back for a moment, so that Triton finds a batch; used inside one event loop.

    Triton batches what waits in its queue. Where measuring and CLIP share cores, photos come out of measuring one after
    the other and each finds Triton idle, which then embeds it alone, at up to twice the price. While photos are waiting
    for a thread the rest are therefore gathered; without a backlog nobody waits.

    Args:
        threads: Photos that can be measured at a time; more are a backlog.
        size: Photos after which they go.
        seconds: Time after which they go, however few.
    """

    def __init__(self, threads: int, size: int, seconds: float) -> None:
        self._threads, self._size, self._seconds = threads, size, seconds
        self._coming = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def coming(self) -> Iterator[None]:
        """Counts a photo that is being measured or waits for it."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    async def join(self) -> None:
        """Returns when a measured photo may go to Triton."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if self._coming <= self._threads or len(self._waiting) >= self._size:
            self._let_go()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._let_go)
        try:
            await turn
        finally:
            # Who gives up does not count among those who wait.
            with contextlib.suppress(ValueError):
                self._waiting.remove(turn)

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for turn in self._waiting:
            # One may have been cancelled a moment ago.
            if not turn.done():
                turn.set_result(None)
        self._waiting.clear()
