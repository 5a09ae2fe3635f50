"""A service closes all its parts, whichever of them fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from facestats.faces.measurer import FaceMeasurer
from facestats.holistic.triton import TritonClient
from facestats.holistic.watch import TritonMonitor
from facestats_gateway.metrics import Metrics
from facestats_gateway.service import run_service
from facestats_gateway.settings import Settings
from facestats_gateway.tracing import Tracing
from tests.asgi import NO_TRITON

PARTS = (FaceMeasurer, TritonClient, Tracing)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    closed: list[str] = []

    def noting(part: type[Any]) -> Callable[[Any], Any]:
        close = part.close

        def close_and_note(self: Any) -> Any:
            closed.append(part.__name__)
            return close(self)

        return close_and_note

    for part in PARTS:
        monkeypatch.setattr(part, "close", noting(part))
    return closed


async def run() -> None:
    async with run_service(Settings(threads=1, triton_urls=NO_TRITON), Metrics(), Tracing("")):
        pass


def failing(what: str) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(what)

    return fail


async def test_all_parts_are_closed(closed: list[str]) -> None:
    await run()
    assert set(closed) == {part.__name__ for part in PARTS}


@pytest.mark.parametrize(("part", "method"), [(FaceMeasurer, "warm_up"), (TritonMonitor, "check")])
async def test_a_failed_start_leaves_nothing_open(
    closed: list[str], monkeypatch: pytest.MonkeyPatch, part: type[Any], method: str
) -> None:
    monkeypatch.setattr(part, method, failing("cannot start"))
    with pytest.raises(RuntimeError, match="cannot start"):
        await run()
    assert set(closed) == {part.__name__ for part in PARTS}


async def test_a_watch_that_died_and_a_part_that_does_not_close_keep_no_other_from_it(
    closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(self: TritonMonitor) -> None:
        raise RuntimeError("the watch died")

    monkeypatch.setattr(TritonMonitor, "run", die)
    close = TritonClient.close

    async def close_and_fail(self: TritonClient) -> None:
        await close(self)
        raise RuntimeError("cannot close")

    monkeypatch.setattr(TritonClient, "close", close_and_fail)
    with pytest.raises(RuntimeError):
        await run()
    assert set(closed) == {part.__name__ for part in PARTS}
