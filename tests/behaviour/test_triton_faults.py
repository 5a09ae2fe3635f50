"""Triton is killed, frozen, starved and restarted under load: no wrong score, no hung request, recovery by itself."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.stack import Stack
from tests.traffic import Traffic, status_of, traffic

pytestmark = pytest.mark.integration

ALLOWED = {200, 503, 504}

# A /dev/shm of its own, so that filling it harms nobody else.
PRIVATE_SHARED_MEMORY = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o size=128m tmpfs /dev/shm && exec "$@"',
    "sh",
)


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*PRIVATE_SHARED_MEMORY, "true"], check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="module", params=["gateway", "triton"])
def fragile(exported_repository: Path, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack of its own, to be broken; photos are scored in the gateway or in Triton."""
    wrapper = PRIVATE_SHARED_MEMORY if can_unshare() else ()
    settings = {"FACESTATS_TRITON_CHECK_SECONDS": "0.5", "FACESTATS_SCORING": request.param}
    with Stack(exported_repository, settings, wrapper) as running:
        yield running


def tritonserver(stack: Stack) -> psutil.Process:
    (server,) = (
        child for child in psutil.Process(stack.process.pid).children(recursive=True) if child.name() == "tritonserver"
    )
    return server


@pytest.fixture
def correct(fragile: Stack, face: bytes) -> float:
    answer = httpx.post(
        f"{fragile.url}/v1/score",
        params={"capture": "fast"},
        content=face,
        headers={"content-type": "image/jpeg"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return float(answer.json()["faces"][0]["score"])


def assert_only_honest_answers(seen: Traffic, correct: float) -> None:
    assert seen.failures == []
    assert set(seen.statuses) <= ALLOWED
    assert seen.scores
    assert all(score == pytest.approx(correct, abs=0.02) for score in seen.scores)


async def test_killed_server_is_replaced_and_scores_return(fragile: Stack, face: bytes, correct: float) -> None:
    before = tritonserver(fragile).pid
    async with traffic(fragile.url, face) as seen:
        await seen.until(200, 10)
        os.kill(before, signal.SIGKILL)
        await seen.until(503, 10)
        await seen.until(200, 10)
    assert_only_honest_answers(seen, correct)
    assert tritonserver(fragile).pid != before
    assert await status_of(f"{fragile.url}/readyz") == 200


async def test_frozen_server_holds_nobody_past_the_deadline(fragile: Stack, face: bytes, correct: float) -> None:
    server = tritonserver(fragile)
    async with traffic(fragile.url, face) as seen:
        await seen.until(200, 10)
        server.suspend()
        try:
            # First those under way run out of time, then the gateway knows and refuses at once.
            await seen.until(503, 10)
            assert await status_of(f"{fragile.url}/healthz") == 200
            assert await status_of(f"{fragile.url}/readyz") == 503
        finally:
            server.resume()
        await seen.until(200, 10)
    assert_only_honest_answers(seen, correct)


async def test_full_shared_memory_gives_no_wrong_score(fragile: Stack, face: bytes, correct: float) -> None:
    if not fragile.wrapper:
        pytest.skip("needs the right to make a mount namespace (unshare --mount), so that others' /dev/shm stays whole")
    filler = Path(f"/proc/{tritonserver(fragile).pid}/root/dev/shm/filler")
    async with traffic(fragile.url, face) as seen:
        await seen.until(200, 10)
        with filled(filler):
            await seen.until_answered(40)
        await seen.until(200, 10)
    assert_only_honest_answers(seen, correct)


@contextmanager
def filled(path: Path) -> Iterator[None]:
    """While open, a file takes all the room that its file system has left."""
    block = b"\0" * (1 << 20)
    with path.open("wb", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
    try:
        yield
    finally:
        path.unlink()


async def test_orderly_restart_is_seen_through(fragile: Stack, face: bytes, correct: float) -> None:
    async with traffic(fragile.url, face) as seen:
        await seen.until(200, 10)
        tritonserver(fragile).terminate()
        await seen.until(503, 1)
        await seen.until(200, 10)
    assert_only_honest_answers(seen, correct)
