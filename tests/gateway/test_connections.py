"""Connections that owe a request or leave an answer lying are cut; others are left alone."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

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


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    names = b",".join(name for name, _ in scope["headers"])
    said = b"%s %s?%s [%s] %s;" % (
        *(scope["method"].encode(), scope["raw_path"], scope["query_string"]),
        *(names, body),
    )
    length = b"%d" % len(said)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": said})


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


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"


@pytest.mark.parametrize("piece", [1, 7, 10**6], ids=["bytewise", "pieces", "at once"])
@pytest.mark.parametrize(
    "offer",
    [
        H2C,
        b"Connection: upgrade\r\nupgrade: websocket\r\n",
        b"Upgrade: TLS/1.0, HTTP/2.0\r\nConnection: Upgrade\r\n",
        b"Upgrade: h2c\r\n",
        b"Connection: Upgrade\r\n",
    ],
)
async def test_an_offer_of_another_protocol_is_declined_and_the_body_read(offer: bytes, piece: int) -> None:
    requests = [
        b"POST /score?a=b HTTP/1.1\r\nHost: x\r\n%sContent-Length: 5\r\n\r\nhello" % offer,
        b"POST /chunked HTTP/1.1\r\nHost: x\r\n%sTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
        % offer,
        b"GET /none HTTP/1.1\r\n%sHost: x\r\n\r\n" % offer,
        b"POST /last HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok",
    ]
    async with serving(echo, head_seconds=PATIENCE, answer_seconds=PATIENCE) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = b"".join(requests)
        with anyio.fail_after(PATIENCE):
            for start in range(0, len(sent), piece):
                writer.write(sent[start : start + piece])
                await writer.drain()
                await asyncio.sleep(0)
            answers = [(await reader.readuntil(b";")).rpartition(b"\r\n\r\n")[2] for _ in requests]
        writer.close()
    asked = [answer.partition(b" [")[0] for answer in answers]
    bodies = [answer.rpartition(b"] ")[2] for answer in answers]
    assert asked == [b"POST /score?a=b", b"POST /chunked?", b"GET /none?", b"POST /last?"]
    assert bodies == [b"hello;", b"hello;", b";", b"ok;"]
    assert all(b"host" in answer for answer in answers)


async def test_a_tunnel_is_not_dug() -> None:
    async with serving(echo, head_seconds=PATIENCE, answer_seconds=PATIENCE) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with anyio.fail_after(PATIENCE):
            writer.write(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
            writer.close()


@pytest.mark.parametrize("library", ["uvicorn", "httptools", "starlette", "python-multipart"])
def test_libraries_whose_insides_are_used_have_an_upper_bound(root: Path, library: str) -> None:
    assert re.search(rf'^    "{library}>=[\d.]+,<[\d.]+",$', (root / "pyproject.toml").read_text(), re.MULTILINE)
