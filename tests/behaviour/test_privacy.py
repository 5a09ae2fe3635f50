"""Photos and embeddings stay in memory: no file is written, and no log line carries them."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator

import pytest

from facestats.logging import configure_logging
from tests.asgi import running_app

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class OpenedFiles:
    """Files that this process opens for writing while it watches."""

    def __init__(self) -> None:
        self.watching = False
        self.written: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.watching:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITE_FLAGS and not str(path).startswith("/dev/"):
                self.written.append(str(path))
        elif event in ("tempfile.mkstemp", "tempfile.mkdtemp"):
            self.written.append(str(arguments[0]))


@pytest.fixture
def opened() -> Iterator[OpenedFiles]:
    # An audit hook stays for the process's life; it sleeps when the test is over.
    files = OpenedFiles()
    sys.addaudithook(files)
    yield files
    files.watching = False


def requests(face: bytes) -> list[tuple[str, dict[str, object]]]:
    # Larger than any form parser keeps in memory by itself.
    large = face + b"\0" * 3_000_000
    return [
        (
            "/v1/score",
            {"files": {"image": ("portrait-of-anna.jpg", large)}, "params": {"include": "landmarks,overlay"}},
        ),
        ("/v1/score", {"json": {"image": base64.b64encode(face).decode()}}),
        ("/v1/score", {"content": face[:9000], "headers": {"content-type": "image/jpeg"}}),
        ("/v1/score/batch", {"files": [("images", ("a.jpg", large)), ("images", ("b.jpg", b"no image" * 9))]}),
        ("/api/analyze-face", {"files": {"front_image": face, "side_image": face}}),
        ("/v1/score", {"files": {"image": face}, "params": {"sex": "portrait-of-anna"}}),
    ]


async def test_nothing_of_a_photo_is_written_or_logged(
    face: bytes, opened: OpenedFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("debug", "json")
    async with running_app() as (client, _):
        opened.watching = True
        answers = [await client.post(path, **request) for path, request in requests(face)]  # type: ignore[arg-type]
        opened.watching = False
    # Without Triton the drop-in has no score to give.
    assert [answer.status_code for answer in answers] == [200, 200, 400, 200, 503, 400]
    assert opened.written == []

    log = capfd.readouterr().err
    ours = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert len([line for line in ours if line["event"] == "request"]) == len(answers)
    assert max(len(line) for line in log.splitlines()) < 1000
    for telling in (
        "portrait-of-anna",
        base64.b64encode(face[:30]).decode()[:32],
        face[:16].hex(),
        repr(face[:12])[2:-1],
    ):
        assert telling not in log


async def test_embeddings_and_landmarks_are_given_on_request_only(face: bytes) -> None:
    async with running_app() as (client, _):
        (plain,) = (await client.post("/v1/score", files={"image": face})).json()["faces"]
        asked = await client.post("/v1/score", files={"image": face}, params={"include": "landmarks"})
    assert (plain["embedding"], plain["landmarks"], plain["overlay"]) == (None, None, None)
    assert len(asked.json()["faces"][0]["landmarks"]) == 478
