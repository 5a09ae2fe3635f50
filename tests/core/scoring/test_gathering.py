"""Photos go to Triton together only while others wait to be measured, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from facestats.scoring.gathering import Gathering


async def settled(tasks: list[asyncio.Task[None]]) -> int:
    """How many may go, once everything that can happen at once has."""
    for _ in range(5):
        await asyncio.sleep(0)
    return sum(task.done() for task in tasks)


@contextlib.contextmanager
def backlog(gathering: Gathering) -> Iterator[None]:
    """One photo more than a single thread can measure."""
    with gathering.coming(), gathering.coming():
        yield


async def test_without_a_backlog_nobody_waits() -> None:
    gathering = Gathering(threads=2, size=8, seconds=60)
    with gathering.coming(), gathering.coming():
        await asyncio.wait_for(gathering.join(), 1)
    await asyncio.wait_for(gathering.join(), 1)


async def test_with_a_backlog_they_go_when_they_are_enough() -> None:
    gathering = Gathering(threads=1, size=3, seconds=60)
    with backlog(gathering):
        tasks = [asyncio.create_task(gathering.join()) for _ in range(2)]
        assert await settled(tasks) == 0
        tasks.append(asyncio.create_task(gathering.join()))
        assert await settled(tasks) == 3
        tasks = [asyncio.create_task(gathering.join())]
        assert await settled(tasks) == 0
    # The backlog is gone: the next takes along who is still there.
    tasks.append(asyncio.create_task(gathering.join()))
    assert await settled(tasks) == 2


async def test_nobody_waits_longer_than_allowed() -> None:
    gathering = Gathering(threads=1, size=100, seconds=0.05)
    with backlog(gathering):
        await asyncio.wait_for(asyncio.gather(gathering.join(), gathering.join()), 5)
        # The clock starts anew for those who come after.
        await asyncio.wait_for(gathering.join(), 5)


async def test_who_gives_up_holds_up_nobody() -> None:
    gathering = Gathering(threads=1, size=3, seconds=60)
    with backlog(gathering):
        tasks = [asyncio.create_task(gathering.join()) for _ in range(2)]
        await settled(tasks)
        tasks[0].cancel()
        others = [asyncio.create_task(gathering.join()) for _ in range(2)]
        assert await settled([tasks[1], *others]) == 3
        assert tasks[0].cancelled()
