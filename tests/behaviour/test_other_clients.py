"""Clients that offer another protocol before they speak HTTP/1.1 upload like any other."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asgi import NO_TRITON
from tests.gateway_process import GatewayProcess

pytestmark = pytest.mark.integration

SCORE_JAVA = Path(__file__).parent / "clients" / "Score.java"


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    settings = {"FACESTATS_THREADS": "1", "FACESTATS_DEGRADE": "geometric", "FACESTATS_TRITON_URLS": NO_TRITON}
    with GatewayProcess(settings) as gateway:
        yield gateway


@pytest.mark.parametrize("version", ["HTTP_2", "HTTP_1_1"])
def test_java_s_own_client_uploads(gateway: GatewayProcess, example_path: Path, version: str) -> None:
    if shutil.which("java") is None:
        pytest.skip("needs a JDK (java), which is absent")
    said = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", str(SCORE_JAVA), gateway.url, str(example_path), version],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert said.stdout.split() == ["200"] * 6, said.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--http2"],
        ["--http2", "-H", "Transfer-Encoding: chunked"],
        ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"],
        ["--http1.1", "-H", "Expect: 100-continue", "-H", "Connection: Upgrade", "-H", "Upgrade: foo/2"],
    ],
    ids=["h2c", "chunked h2c", "websocket", "unknown"],
)
def test_curl_uploads_whatever_it_offers(gateway: GatewayProcess, example_path: Path, options: list[str]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl, which is absent")
    address = f"{gateway.url}/v1/score?capture=fast"
    for body in (["-F", f"image=@{example_path}"], ["-H", "Content-Type: image/jpeg", "-T", str(example_path)]):
        command = ["curl", "-sS", "-X", "POST", "-o", "/dev/null", "-w", "%{http_code}", *options, *body, address]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert said.stdout == "200", said.stderr
