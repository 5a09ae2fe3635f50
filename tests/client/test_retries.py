"""Retries against a server that refuses before it answers: what no healthy gateway can be made to do on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from numpy.typing import NDArray

from facestats.images.imaging import decode_image
from facestats.problems import Problem
from facestats_client import (
    AddressError,
    AsyncFaceStatsClient,
    FaceStatsClient,
    ServiceBusyError,
    ServiceUnavailableError,
    ServiceUnreachableError,
    calculate_attractiveness_score,
)
from tests.stack import free_port

ANSWER = {
    "faces": [
        {
            "score": 61.4,
            "geometric": {"score": 58.2, "sex": "pooled", "groups": {"eyes": 63.0}, "metrics": []},
            "holistic": {"score": 66.2, "raw": 1.287, "crop": "aligned"},
            "blend": {"geometric": 0.6, "holistic": 0.4},
            "box": [0.31, 0.18, 0.62, 0.71],
            "pose": {"yaw": 0, "pitch": 0, "roll": 0},
            "quality": {"reliability": 83.0, "level": "good", "warnings": []},
            "horoscope": "a field of a later version",
        }
    ],
    "model": {"weights": "trained"},
    "timing_ms": {"total": 40.0},
}


@dataclass
class Refuser:
    """A server that answers with the given problems first, then with a score.

    Attributes:
        problems: One for each request to be refused.
        times: When each request came, seconds.
        bodies: What each request carried.
    """

    problems: list[Problem] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def refuser() -> Iterator[Refuser]:
    state = Refuser()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.times.append(time.monotonic())
            state.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            problem = state.problems.pop(0) if state.problems else None
            body = json.dumps(problem.document() if problem else ANSWER).encode()
            self.send_response(problem.kind.status if problem else 200)
            if problem is not None and problem.retry_after is not None:
                self.send_header("Retry-After", str(int(problem.retry_after)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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


def test_refused_request_is_repeated_no_sooner_than_asked(refuser: Refuser) -> None:
    refuser.problems = [Problem("overloaded", "Busy.", retry_after=1)]
    with FaceStatsClient(refuser.url) as client:
        result = client.score(b"some image")
    assert result.face.score == 61.4
    assert refuser.bodies == [b"some image", b"some image"]
    assert refuser.times[1] - refuser.times[0] >= 1.0


async def test_asynchronous_twin_repeats_too(refuser: Refuser) -> None:
    refuser.problems = [Problem("rate-limited", "Slow down.")]
    async with AsyncFaceStatsClient(refuser.url) as client:
        result = await client.score(b"some image")
    assert result.face.holistic is not None
    assert result.face.holistic.score == 66.2
    assert len(refuser.bodies) == 2


def test_exhausted_retries_raise_the_last_problem(refuser: Refuser) -> None:
    refuser.problems = [Problem("rate-limited", "Slow down.") for _ in range(5)]
    with FaceStatsClient(refuser.url, retries=1) as client, pytest.raises(ServiceBusyError, match="Slow down"):
        client.score(b"some image")
    assert len(refuser.bodies) == 2


def test_other_problems_are_not_repeated(refuser: Refuser) -> None:
    refuser.problems = [Problem("deadline-exceeded", "Too slow.")]
    with FaceStatsClient(refuser.url) as client, pytest.raises(Exception, match="Too slow"):
        client.score(b"some image")
    assert len(refuser.bodies) == 1


def test_fields_of_later_versions_are_kept(refuser: Refuser) -> None:
    with FaceStatsClient(refuser.url) as client:
        face = client.score(b"some image").face
    assert face.model_extra == {"horoscope": "a field of a later version"}


def test_no_service_is_one_clear_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with FaceStatsClient(url, retries=0) as client:
        assert not client.is_ready()
        with pytest.raises(ServiceUnreachableError, match="cannot be reached"):
            client.score(b"some image")


def test_drop_in_is_none_without_a_service_or_model(refuser: Refuser, caplog: pytest.LogCaptureFixture) -> None:
    bgr = np.zeros((64, 64, 3), np.uint8)
    assert calculate_attractiveness_score(bgr, url=f"http://127.0.0.1:{free_port()}") is None
    assert "cannot be reached" in caplog.text
    refuser.problems = [Problem("triton-unavailable", "Triton is away.") for _ in range(2)]
    assert calculate_attractiveness_score(bgr, url=refuser.url) is None
    assert "Triton is away" in caplog.text
    assert calculate_attractiveness_score(bgr, url=refuser.url) == 66.2


def test_triton_away_is_its_own_exception(refuser: Refuser) -> None:
    refuser.problems = [Problem("triton-unavailable", "Triton is away.")]
    with FaceStatsClient(refuser.url, retries=0) as client, pytest.raises(ServiceUnavailableError):
        client.score(b"some image")


@pytest.mark.parametrize("code", ["rate-limited", "overloaded"])
def test_a_longer_wait_than_the_time_limit_is_not_waited_for(code: str, refuser: Refuser) -> None:
    refuser.problems = [Problem(code, "Come back later.", retry_after=60)]
    with FaceStatsClient(refuser.url, timeout=5, retries=1) as client, pytest.raises(ServiceBusyError) as busy:
        client.score(b"some image")
    # Asked again after sixty seconds, the service would have answered.
    assert (busy.value.retry_after, len(refuser.bodies)) == (60, 1)


async def test_the_asynchronous_twin_does_not_wait_either(refuser: Refuser) -> None:
    refuser.problems = [Problem("rate-limited", "Come back later.", retry_after=60)]
    async with AsyncFaceStatsClient(refuser.url, timeout=5, retries=1) as client:
        with pytest.raises(ServiceBusyError, match="Come back later"):
            await client.score(b"some image")
    assert len(refuser.bodies) == 1


def test_all_waits_together_are_bounded(refuser: Refuser) -> None:
    refuser.problems = [Problem("rate-limited", "Slow down.", retry_after=1) for _ in range(20)]
    with FaceStatsClient(refuser.url, timeout=2, retries=20) as client, pytest.raises(ServiceBusyError):
        client.score(b"some image")
    assert len(refuser.bodies) <= 4


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "localhost", "ftp://localhost", ""])
def test_an_address_without_http_is_said_at_once(address: str) -> None:
    for kind in (FaceStatsClient, AsyncFaceStatsClient):
        with pytest.raises(AddressError, match="begins with http://"):
            kind(address)


def test_drop_in_takes_either_order_of_the_colours(refuser: Refuser, photo: NDArray[np.uint8]) -> None:
    assert calculate_attractiveness_score(photo, channels="rgb", url=refuser.url) == 66.2
    assert calculate_attractiveness_score(photo[..., ::-1], url=refuser.url) == 66.2
    assert calculate_attractiveness_score(photo[..., 0], channels="bgr", url=refuser.url) == 66.2
    for body in refuser.bodies[:2]:
        np.testing.assert_array_equal(decode_image(body), photo)
    with pytest.raises(ValueError, match="'bgr' or 'rgb'"):
        calculate_attractiveness_score(photo, channels="gbr", url=refuser.url)  # type: ignore[arg-type]


def test_drop_in_of_a_failed_imread_is_none(refuser: Refuser, caplog: pytest.LogCaptureFixture) -> None:
    assert calculate_attractiveness_score(None, url=refuser.url) is None
    assert "no picture" in caplog.text
    assert refuser.bodies == []
