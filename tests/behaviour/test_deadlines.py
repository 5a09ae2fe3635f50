"""Work that nobody waits for any more is dropped and counted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from facestats.deadline import Deadline
from facestats_gateway.service import Service
from tests.asgi import running_app


@contextmanager
def busy_threads(service: Service) -> Iterator[None]:
    """Every measuring thread is occupied, so that photos stay in the queue."""
    release = threading.Event()
    running = service.measurer.executor.submit(release.wait, 60)
    try:
        yield
    finally:
        release.set()
        running.result()


async def test_an_expired_request_is_answered_in_time_and_its_photo_never_measured(face: bytes) -> None:
    async with running_app() as (client, service):
        with busy_threads(service):
            answer = await asyncio.wait_for(
                client.post("/v1/score", files={"image": face}, headers={"X-Request-Timeout": "0.1"}),
                20,
            )
        assert answer.status_code == 504
        assert answer.json()["type"] == "urn:facestats:problem:deadline-exceeded"
        exposition = service.metrics.exposition()
        assert b'facestats_abandoned_total{reason="deadline"} 1.0' in exposition
        assert b"facestats_faces_total{" not in exposition
        # Its bytes wait for the thread that drops it, and so does its permit.
        async with service.admission.admit(10**12, Deadline(30), wait=True):
            assert service.admission.requests == 1


async def test_a_client_that_leaves_takes_its_photo_with_it(face: bytes) -> None:
    async with running_app() as (client, service):
        app = client._transport.app  # type: ignore[attr-defined]
        body = face
        gone, admitted = asyncio.Event(), asyncio.Event()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> dict[str, object]:
            for message in messages:
                return message
            admitted.set()
            await gone.wait()
            return {"type": "http.disconnect"}

        sent: list[dict[str, object]] = []

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/score",
            "raw_path": b"/v1/score",
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"content-type", b"image/jpeg"), (b"content-length", str(len(body)).encode())],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
        }
        with busy_threads(service):
            request = asyncio.create_task(app(scope, receive, send))
            await asyncio.wait_for(admitted.wait(), 10)
            gone.set()
            await asyncio.wait_for(request, 10)
        assert sent[0]["status"] == 499
        exposition = service.metrics.exposition()
        assert b'facestats_abandoned_total{reason="disconnect"} 1.0' in exposition
        assert b"facestats_faces_total{" not in exposition
        async with service.admission.admit(10**12, Deadline(30), wait=True):
            assert service.admission.requests == 1


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
async def test_a_senseless_timeout_is_refused(value: str, face: bytes) -> None:
    async with running_app() as (client, _):
        answer = await client.post("/v1/score", files={"image": face}, headers={"X-Request-Timeout": value})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:facestats:problem:bad-parameter"
