"""A trace leads from the caller through the gateway's stages into Triton, and holds nothing of the photo."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from facestats_local_triton.server import TritonPorts, TritonServer
from tests.gateway_process import GatewayProcess

pytestmark = pytest.mark.integration

TRACE_ID, CALLER_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.bodies: list[tuple[str, bytes]] = []
        self.arrived = threading.Condition()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def received(self, path: str) -> bytes:
        """Everything that has come to a path."""
        return b"".join(body for to, body in self.bodies if to == path)

    def has_trace(self, path: str, seconds: float) -> bool:
        """Whether the trace is there, or comes within this time."""
        with self.arrived:
            return self.arrived.wait_for(lambda: TRACE_ID.encode() in self.received(path), seconds)


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.arrived:
            self.server.bodies.append((self.path, body))
            self.server.arrived.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_trace_goes_from_the_caller_into_triton(exported_repository: Path, collector: Collector, face: bytes) -> None:
    ports = TritonPorts.free()
    trace_settings = (
        "mode=opentelemetry",
        "rate=1",
        "level=TIMESTAMPS",
        f"opentelemetry,url={collector.endpoint}/triton",
    )
    arguments = [f"--trace-config={setting}" for setting in trace_settings]
    settings = {
        "FACESTATS_TRITON_URLS": f"127.0.0.1:{ports.grpc}",
        "FACESTATS_TRACE_ENDPOINT": f"{collector.endpoint}/gateway",
    }
    with TritonServer(exported_repository, ports, extra_args=arguments, restart=False) as triton:
        triton.wait_ready(120)
        with GatewayProcess(settings) as gateway:
            # Triton's exporter may keep the last spans back until further ones come.
            for _ in range(8):
                answer = httpx.post(
                    f"{gateway.url}/v1/score",
                    content=face,
                    headers={"content-type": "image/jpeg", "traceparent": f"00-{TRACE_ID}-{CALLER_SPAN}-01"},
                    timeout=60,
                )
                assert answer.status_code == 200, answer.text
                if collector.has_trace("/triton", seconds=6):
                    break
            gateway.stop()
        assert collector.has_trace("/gateway", seconds=30)
        assert collector.has_trace("/triton", seconds=30)
    body, triton_body = collector.received("/gateway"), collector.received("/triton")
    spans = spans_of(body)
    requests = [span for span in spans if span["name"] == "POST /v1/score"]
    assert {span["parentSpanId"] for span in requests} == {CALLER_SPAN}
    for stage in ("measure faces", "triton"):
        parents = [span["parentSpanId"] for span in spans if span["name"] == stage]
        assert sorted(parents) == sorted(span["spanId"] for span in requests)
    calls = {span["spanId"] for span in spans if span["name"] == "triton"}
    assert calls & {span["parentSpanId"] for span in spans_of(triton_body)}
    assert base64.b64encode(face[:30])[:32] not in body
    assert len(body) < 20_000


def spans_of(body: bytes) -> list[dict[str, Any]]:
    """Our trace's spans, of one or several OTLP documents."""
    documents, decoder, text = [], json.JSONDecoder(), body.decode()
    while text:
        document, end = decoder.raw_decode(text)
        documents.append(document)
        text = text[end:].lstrip()
    return [
        span
        for document in documents
        for export in document["resourceSpans"]
        for scope in export["scopeSpans"]
        for span in scope["spans"]
        if span["traceId"] == TRACE_ID
    ]
