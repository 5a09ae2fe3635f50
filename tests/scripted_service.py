"""A service that answers as a test's script says: it can be busy, change its model and die on command."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any], dict[str, str]]
"""Status, document and further headers (names with underscores)."""


@dataclass
class Script:
    """What the service says.

    Attributes:
        model: Its ``/v1/model``.
        answer: Takes a photo's bytes and the query, returns the answer.
        url: Where it listens.
    """

    model: Callable[[], Answer]
    answer: Callable[[bytes, str], Answer]
    url: str = ""


def scored(
    *,
    geometric: float = 50.0,
    holistic: float | None = 50.0,
    raw: float = 0.5,
    receipt: str = "sha256:one",
    degraded: bool = False,
) -> Answer:
    """A score document with what every client needs of one."""
    half = None if degraded or holistic is None else {"score": holistic, "raw": raw}
    face = {
        "score": None if half is None else geometric,
        "geometric": {"score": geometric},
        "holistic": half,
        "box": [0.2, 0.2, 0.8, 0.8],
        "pose": {"yaw": 0.0, "pitch": 0.0, "roll": 0.0},
        "quality": {"reliability": 80.0, "level": "good"},
    }
    return 200, {"faces": [face], "model": {"weights": "trained", "receipt": receipt}, "degraded": degraded}, {}


def served_model(**fields: Any) -> Answer:
    """A ``/v1/model`` document."""
    return 200, {"weights": "trained", **fields}, {}


def problem(status: int, code: str, **headers: str) -> Answer:
    """A problem document."""
    return status, {"type": f"urn:facestats:problem:{code}", "detail": f"It is {code}."}, headers


@contextmanager
def scripted_service(script: Script) -> Iterator[Script]:
    """Runs the service; ``script.url`` says where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(*script.model())

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(*script.answer(data, self.path.partition("?")[2]))

        def reply(self, status: int, document: dict[str, Any], headers: dict[str, str]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status == 200 else "application/problem+json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
