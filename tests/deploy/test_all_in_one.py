"""The all-in-one image's own command, with what render.yaml sets, run without a container."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.stack import START_TIMEOUT, free_port

pytestmark = pytest.mark.integration

KEY = "a key of this test"


@dataclass(frozen=True)
class Served:
    """The running command.

    Attributes:
        url: Where it answers.
        process: The shell that became the service.
        log: What it has written.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path


def image_command(root: Path) -> list[str]:
    lines = (root / "deploy" / "docker" / "all-in-one.Dockerfile").read_text().splitlines()
    (command,) = (line.removeprefix("CMD ") for line in lines if line.startswith("CMD "))
    words: list[str] = json.loads(command)
    return words


@pytest.fixture
def served(root: Path, exported_repository: Path, tmp_path: Path) -> Iterator[Served]:
    (service,) = yaml.safe_load((root / "render.yaml").read_text())["services"]
    settings = {variable["key"]: variable["value"] for variable in service["envVars"] if "value" in variable}
    settings["FACESTATS_API_KEYS"] = f"test:{hashlib.sha256(KEY.encode()).hexdigest()}"
    port = free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # As in the image: the repository lies in the working directory, nothing else does.
    (tmp_path / "model_repository").symlink_to(exported_repository)
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            image_command(root),
            cwd=tmp_path,
            env=os.environ | settings | {"PORT": str(port), "PATH": path},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Served(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_healthy(running, service["healthCheckPath"])
        yield running
    finally:
        process.terminate()
        process.wait(60)


def wait_healthy(served: Served, path: str) -> None:
    end = time.monotonic() + START_TIMEOUT
    while True:
        try:
            if httpx.get(served.url + path, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if served.process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"it never became healthy:\n{served.log.read_text()[-3000:]}")
        time.sleep(0.2)


def test_it_scores_for_those_who_have_the_key_and_ends_in_order(served: Served, face: bytes) -> None:
    headers = {"Content-Type": "image/jpeg"}
    refused = httpx.post(f"{served.url}/v1/score", content=face, headers=headers, timeout=60)
    assert refused.status_code == 401
    answer = httpx.post(f"{served.url}/v1/score", content=face, headers=headers | {"X-API-Key": KEY}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["faces"][0]["holistic"]["score"] is not None
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0, served.log.read_text()[-3000:]
    requests = [json.loads(line) for line in served.log.read_text().splitlines() if line.startswith("{")]
    assert requests, "render.yaml asks for a log in JSON"
    assert KEY not in served.log.read_text()
