"""Bodies are bounded in bytes and time before they are photos."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from facestats.deadline import Deadline
from facestats.problems import Problem
from facestats.scoring.admission import Admission
from facestats_gateway.problem_response import install_problem_handlers
from facestats_gateway.uploads import UploadLimits


def app_with_limits(max_bytes: int, seconds: float) -> tuple[FastAPI, Callable[[], UploadLimits]]:
    app = FastAPI()
    install_problem_handlers(app)
    app.add_middleware(UploadLimits, max_bytes_in_flight=max_bytes, seconds=seconds)

    @app.post("/")
    async def receive(request: Request) -> Response:
        return Response(str(len(await request.body())))

    def limits() -> UploadLimits:
        assert isinstance(app.middleware_stack, object)
        layer = app.middleware_stack
        while not isinstance(layer, UploadLimits):
            layer = layer.app  # type: ignore[union-attr]
        return layer

    return app, limits


async def send(app: FastAPI, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.post("/", content=content)


async def test_a_slow_upload_ends_with_a_request_timeout() -> None:
    app, _ = app_with_limits(10**6, 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"begun"
        await asyncio.Event().wait()

    answer = await asyncio.wait_for(send(app, stalled()), 10)
    assert answer.status_code == 408
    assert answer.json()["type"] == "urn:facestats:problem:request-timeout"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
async def test_bytes_in_flight_are_bounded_and_given_back(declared: bool) -> None:
    app, limits = app_with_limits(300_000, 30)
    release, held = asyncio.Event(), asyncio.Event()

    async def first() -> AsyncIterator[bytes]:
        yield b"x" * 200_000
        held.set()
        await release.wait()

    async def second() -> AsyncIterator[bytes]:
        yield b"x" * 200_000

    pending = asyncio.create_task(send(app, first()))
    await asyncio.wait_for(held.wait(), 10)
    refused = await send(app, b"x" * 200_000 if declared else second())
    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:facestats:problem:overloaded"
    assert int(refused.headers["retry-after"]) >= 1
    release.set()
    assert (await pending).text == "200000"
    assert limits().bytes_in_flight == 0
    assert (await send(app, b"x" * 200_000)).text == "200000"


async def test_a_single_upload_larger_than_the_budget_still_fits() -> None:
    app, _ = app_with_limits(100_000, 30)
    assert (await send(app, b"x" * 250_000)).text == "250000"


async def test_bytes_are_held_as_long_as_the_work_on_them_goes_on() -> None:
    app, limits = app_with_limits(10**6, 30)
    admission, work = Admission(2, 10**9), asyncio.get_running_loop().create_future()

    @app.post("/late")
    async def late(request: Request) -> Response:
        await request.body()

        async def measure() -> None:
            async with admission.admit(1, Deadline(30)) as permit:
                permit.keep_until_done(work)
                raise Problem("deadline-exceeded", "Too late.")

        await asyncio.create_task(measure())
        raise AssertionError

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.post("/late", content=b"x" * 200_000)).status_code == 504
        assert (limits().bytes_in_flight, admission.requests) == (200_000, 1)
        work.set_exception(ValueError("damaged"))
        # The callbacks of the work, and those of what waits for it.
        for _ in range(3):
            await asyncio.sleep(0)
        assert (limits().bytes_in_flight, admission.requests) == (0, 0)
