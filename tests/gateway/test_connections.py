"""Connections that owe a request or leave an answer lying are cut; others are left alone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import anyio
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from facestats_gateway.connections import LARGEST_HEAD, patient_connections

PATIENCE = 60.0
"""Seconds after which a test counts as hanging."""


class Endless:
    """An application that answers for ever, and tells when its client is gone."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.client_gone = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await receive()
        writing = asyncio.create_task(self._write(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        self.client_gone.set()
        writing.cancel()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            await asyncio.sleep(0)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def read_and_answer(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await hello(scope, receive, send)


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextlib.asynccontextmanager
async def serving(app: object, head_seconds: float, answer_seconds: float) -> AsyncIterator[int]:
    connections = patient_connections(head_seconds, answer_seconds)
    config = uvicorn.Config(app, http=connections, log_config=None, access_log=False, lifespan="off")  # type: ignore[arg-type]
    server = Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = asyncio.create_task(server._serve([listening]))
        await asyncio.wait_for(server.listens.wait(), PATIENCE)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


@pytest.mark.parametrize("begun", [b"", b"POST /v1/score HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"\r\n"])
async def test_a_head_that_does_not_arrive_ends_the_connection(begun: bytes) -> None:
    async with serving(hello, head_seconds=0.2, answer_seconds=PATIENCE) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        with anyio.fail_after(PATIENCE):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_a_second_request_on_the_connection_is_waited_for_no_longer() -> None:
    async with serving(hello, head_seconds=0.2, answer_seconds=PATIENCE) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with anyio.fail_after(PATIENCE):
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
            writer.write(b"GET / HTTP/1.1\r\nHost")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_a_head_without_end_is_refused() -> None:
    async with serving(hello, head_seconds=PATIENCE, answer_seconds=PATIENCE) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with anyio.fail_after(PATIENCE):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * (LARGEST_HEAD + 1))
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
            assert b"head is too large" in await reader.read()
        writer.close()


async def test_large_bodies_are_no_heads() -> None:
    async with serving(read_and_answer, head_seconds=PATIENCE, answer_seconds=PATIENCE) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with anyio.fail_after(PATIENCE):
            for size in (5 * LARGEST_HEAD, 3, 2 * LARGEST_HEAD):
                writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
                assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_an_answer_that_is_not_taken_ends_the_request() -> None:
    app = Endless()
    async with serving(app, head_seconds=PATIENCE, answer_seconds=0.2) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with anyio.fail_after(PATIENCE):
            await app.client_gone.wait()
        writer.close()


async def test_an_answer_that_is_taken_goes_on() -> None:
    app = Endless()
    async with serving(app, head_seconds=PATIENCE, answer_seconds=PATIENCE) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with anyio.fail_after(PATIENCE):
            for _ in range(200):
                await reader.readexactly(65_536)
            assert not app.client_gone.is_set()
            writer.close()
            await app.client_gone.wait()
