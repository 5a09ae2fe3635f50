"""Many pictures: as many at a time as asked for, in their order, with a progress bar that says how far."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from facestats_client import AsyncFaceStatsClient, FaceStatsClient
from tests.client.test_retries import ANSWER

CONCURRENCY = 3
TIMEOUT = 20.0
"""Time after which requests that should have met have not, seconds."""


@dataclass
class Turnstile:
    """A server that answers only once `CONCURRENCY` requests are there together, and counts those that are.

    Attributes:
        most: The most requests that were there at a time.
        served: Bodies in the order in which they were answered.
    """

    url: str = ""
    most: int = 0
    served: list[bytes] = field(default_factory=list)
    inside: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(CONCURRENCY))


@pytest.fixture
def turnstile() -> Iterator[Turnstile]:
    state = Turnstile()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with state.lock:
                state.inside += 1
                state.most = max(state.most, state.inside)
            state.meeting.wait(TIMEOUT)
            with state.lock:
                state.inside -= 1
                state.served.append(body)
            answer = json.dumps(ANSWER).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


PICTURES = [bytes([number]) for number in range(4 * CONCURRENCY)]


def test_as_many_requests_at_a_time_as_asked_for(turnstile: Turnstile) -> None:
    with FaceStatsClient(turnstile.url, retries=0) as client:
        outcomes = list(client.score_many(PICTURES, concurrency=CONCURRENCY))
    assert [outcome.source for outcome in outcomes] == PICTURES
    assert all(outcome.result for outcome in outcomes)
    assert turnstile.most == CONCURRENCY
    assert sorted(turnstile.served) == PICTURES


async def test_the_twin_keeps_the_bound_too(turnstile: Turnstile) -> None:
    async with AsyncFaceStatsClient(turnstile.url, retries=0) as client:
        outcomes = [outcome async for outcome in client.score_many(PICTURES, concurrency=CONCURRENCY)]
    assert [outcome.source for outcome in outcomes] == PICTURES
    assert all(outcome.result for outcome in outcomes)
    assert turnstile.most == CONCURRENCY


def test_pictures_are_taken_as_they_are_needed_and_no_more_after_a_stop(turnstile: Turnstile) -> None:
    # Nobody waits for anybody here.
    turnstile.meeting = threading.Barrier(1)
    taken: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(len(taken))
            yield b"picture"

    with FaceStatsClient(turnstile.url, retries=0) as client:
        outcomes = client.score_many(endless(), concurrency=CONCURRENCY)
        assert next(outcomes).result
        outcomes.close()  # type: ignore[attr-defined]
    assert len(taken) == 2 * CONCURRENCY


def test_no_concurrency_is_refused(turnstile: Turnstile) -> None:
    with FaceStatsClient(turnstile.url) as client, pytest.raises(ValueError):  # noqa: PT011 - the pool's own words
        next(client.score_many([b"picture"], concurrency=0))


async def test_no_concurrency_is_refused_by_the_twin(turnstile: Turnstile) -> None:
    async with AsyncFaceStatsClient(turnstile.url) as client:
        with pytest.raises(ValueError, match="at least 1"):
            await anext(client.score_many([b"picture"], concurrency=0))


def test_progress_goes_to_standard_error(turnstile: Turnstile, capsys: pytest.CaptureFixture[str]) -> None:
    with FaceStatsClient(turnstile.url, retries=0) as client:
        list(client.score_many(PICTURES, concurrency=CONCURRENCY, progress=True))
    printed = capsys.readouterr()
    assert f"{len(PICTURES)}/{len(PICTURES)}" in printed.err
    assert printed.out == ""


def test_progress_without_rich_says_what_to_install(turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with FaceStatsClient(turnstile.url) as client, pytest.raises(ImportError, match=r"facestats-client\[progress\]"):
        next(client.score_many([b"picture"], progress=True))
