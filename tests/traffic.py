"""Steady traffic on a gateway, for tests that do something to the service meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import anyio
import httpx

DEADLINE = 8.0
"""Seconds that each request gives the service."""

_PATIENCE = 30.0
"""A request unanswered for so long hangs, and the test fails on it."""


@dataclass
class Traffic:
    """What became of the requests so far.

    Attributes:
        statuses: How often each status was answered.
        scores: The different scores of the photo, all of them from answers with 200.
        refusals: What was said with statuses other than 200.
        failures: Requests without an answer.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    scores: set[float] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def answered(self) -> int:
        """Requests answered so far."""
        return self.statuses.total()

    async def until(self, status: int, count: int) -> None:
        """Waits for ``count`` further answers with ``status``."""
        wanted = self.statuses[status] + count
        await self._until(lambda: self.statuses[status] >= wanted)

    async def until_answered(self, count: int) -> None:
        """Waits for ``count`` further answers of any kind."""
        wanted = self.answered + count
        await self._until(lambda: self.answered >= wanted)

    async def _until(self, reached: Callable[[], bool]) -> None:
        with anyio.fail_after(120):
            while not reached():
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def traffic(url: str, photo: bytes, concurrency: int = 4) -> AsyncIterator[Traffic]:
    """Posts one photo again and again, ``concurrency`` at a time, until the block ends and the last answer is in."""
    seen = Traffic()
    stopping = asyncio.Event()

    async def client_loop(client: httpx.AsyncClient) -> None:
        while not stopping.is_set():
            try:
                answer = await client.post(
                    f"{url}/v1/score",
                    params={"capture": "fast"},
                    content=photo,
                    headers={"Content-Type": "image/jpeg", "X-Request-Timeout": str(DEADLINE)},
                )
            except httpx.HTTPError as error:
                seen.failures.append(repr(error))
            else:
                seen.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    seen.scores.add(answer.json()["faces"][0]["score"])
                else:
                    seen.refusals.append(answer.text)
                    # A refusal costs nothing: without a breath this loop would be all the machine does.
                    await asyncio.sleep(0.05)
            seen.changed.set()

    async with httpx.AsyncClient(timeout=_PATIENCE) as client:
        loops = [asyncio.create_task(client_loop(client)) for _ in range(concurrency)]
        try:
            yield seen
        finally:
            stopping.set()
            await asyncio.gather(*loops)


async def status_of(url: str) -> int:
    """The status that a GET answers now."""
    async with httpx.AsyncClient(timeout=_PATIENCE) as client:
        return (await client.get(url)).status_code
