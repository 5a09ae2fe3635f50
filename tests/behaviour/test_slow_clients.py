"""Clients that read slowly, leave, stall or lie about lengths cost the service nothing that lasts."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway_process import GatewayProcess

pytestmark = pytest.mark.integration

IMAGES = 64
HANGING = 120.0

# Geometry alone: what is tested here happens before and after Triton.
SETTINGS = {"FACESTATS_TRITON_URLS": "127.0.0.1:1", "FACESTATS_DEGRADE": "geometric", "FACESTATS_UPLOAD_SECONDS": "3"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with GatewayProcess(SETTINGS) as running:
        yield running


def connected(gateway: GatewayProcess) -> socket.socket:
    """A client that has room for a few kilobytes only."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(HANGING)
    client.connect(("127.0.0.1", gateway.port))
    return client


def batch_request(face: bytes) -> bytes:
    """A batch whose answer, overlays and all, has several megabytes."""
    request = httpx.Request(
        "POST",
        "http://test/v1/score/batch?capture=fast&include=landmarks,overlay",
        files=[("images", face)] * IMAGES,
        headers={"X-Request-Timeout": "100"},
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST {request.url.raw_path.decode()} HTTP/1.1\r\n{head}\r\n".encode() + request.read()


class Figures:
    """What the gateway's metrics say."""

    def __init__(self, gateway: GatewayProcess) -> None:
        text = httpx.get(f"{gateway.url}/metrics", timeout=HANGING).text
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def __getitem__(self, name: str) -> float:
        return sum(sample.value for sample in self._samples if sample.name == name)


def settled_count(gateway: GatewayProcess, before: float) -> float:
    """Photos scored since ``before`` once no more are begun."""
    end, seen = time.monotonic() + HANGING, [-1.0]
    while time.monotonic() < end:
        figures = Figures(gateway)
        scored = figures["facestats_faces_total"] - before
        idle = scored > 0 and figures["facestats_in_flight_requests"] == 0
        seen = [*seen, scored] if idle and scored == seen[-1] else [scored]
        if len(seen) == 20:
            return scored
    raise AssertionError("the gateway never came to rest")


def test_a_batch_goes_no_faster_than_its_client_reads(gateway: GatewayProcess, face: bytes) -> None:
    before = Figures(gateway)["facestats_faces_total"]
    with connected(gateway) as client:
        client.sendall(batch_request(face))
        # The client takes nothing: the buffers of both sides fill, and no more photos are begun.
        assert 0 < settled_count(gateway, before) < IMAGES
        answer = httpx_body(client)
    lines = [json.loads(line) for line in answer.splitlines()]
    assert sorted(line["index"] for line in lines) == list(range(IMAGES))
    assert all("faces" in line for line in lines)


def test_a_batch_whose_client_leaves_is_dropped(gateway: GatewayProcess, face: bytes) -> None:
    before = Figures(gateway)["facestats_faces_total"]
    with connected(gateway) as client:
        client.sendall(batch_request(face))
        received = b""
        while b'{"faces":' not in received:
            part = client.recv(4096)
            assert part, f"the answer ended with {received[-200:]!r}"
            received += part
    assert settled_count(gateway, before) < IMAGES


def httpx_body(client: socket.socket) -> bytes:
    """The rest of a chunked answer, its chunks put together."""
    stream = client.makefile("rb")
    assert stream.readline().startswith(b"HTTP/1.1 200")
    while stream.readline() != b"\r\n":
        pass
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        assert stream.readline() == b"\r\n"
    return body


def test_a_client_that_takes_nothing_is_cut_off_and_its_bytes_are_given_back(face: bytes) -> None:
    batch = batch_request(face)
    settings = {"FACESTATS_ANSWER_SECONDS": "1", "FACESTATS_MAX_UPLOAD_BYTES_IN_FLIGHT": str(len(batch))}
    with GatewayProcess(SETTINGS | settings) as gateway, connected(gateway) as client:
        client.sendall(batch)
        statuses, end = set(), time.monotonic() + HANGING
        while "the answer is not taken" not in gateway.log():
            assert time.monotonic() < end, "the client was never cut off"
            statuses.add(httpx.post(f"{gateway.url}/v1/score", files={"image": face}, timeout=HANGING).status_code)
        assert 503 in statuses, "the batch had taken all the bytes there are"
        assert httpx.post(f"{gateway.url}/v1/score", files={"image": face}, timeout=HANGING).status_code == 200


@pytest.mark.parametrize(
    ("length", "status"),
    [("10", b"HTTP/1.1 400"), ("-1", b"HTTP/1.1 400"), ("ten", b"HTTP/1.1 400"), ("100000", b"HTTP/1.1 408")],
)
def test_a_wrong_content_length_harms_only_its_own_request(
    gateway: GatewayProcess, face: bytes, length: str, status: bytes
) -> None:
    head = f"POST /v1/score HTTP/1.1\r\nHost: test\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n"
    with connected(gateway) as client:
        client.sendall(head.encode() + face[:20_000])
        assert client.recv(12) == status
    healthy = httpx.post(f"{gateway.url}/v1/score", files={"image": face}, timeout=HANGING)
    assert healthy.status_code == 200


def test_an_end_is_not_put_off_by_an_upload_that_never_ends(face: bytes) -> None:
    settings = SETTINGS | {"FACESTATS_SHUTDOWN_SECONDS": "1", "FACESTATS_UPLOAD_SECONDS": "600"}
    with GatewayProcess(settings) as gateway, connected(gateway) as client:
        head = b"POST /v1/score HTTP/1.1\r\nHost: test\r\nContent-Type: image/jpeg\r\nContent-Length: 99999\r\n\r\n"
        client.sendall(head + face[:1000])
        # Answered after the upload has begun: both go through the same loop.
        assert httpx.get(f"{gateway.url}/healthz", timeout=HANGING).status_code == 200
        assert gateway.stop(signal.SIGTERM) == 0
