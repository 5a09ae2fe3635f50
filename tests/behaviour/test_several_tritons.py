"""With two replicas behind one gateway, losing one outright loses no request."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from facestats_local_triton.server import TritonPorts, TritonServer
from tests.gateway_process import GatewayProcess
from tests.traffic import status_of, traffic

pytestmark = pytest.mark.integration


@pytest.fixture
def replicas(exported_repository: Path) -> Iterator[list[TritonServer]]:
    with ExitStack() as running:
        servers = [
            running.enter_context(TritonServer(exported_repository, TritonPorts.free(), restart=False))
            for _ in range(2)
        ]
        for server in servers:
            server.wait_ready(120)
        yield servers


@pytest.fixture
def gateway(replicas: list[TritonServer]) -> Iterator[GatewayProcess]:
    # gRPC takes addresses only in a list; names are for us to look up.
    urls = ",".join(
        f"{host}:{server.ports.grpc}" for host, server in zip(("localhost", "127.0.0.1"), replicas, strict=True)
    )
    with GatewayProcess({"FACESTATS_TRITON_URLS": urls, "FACESTATS_TRITON_CHECK_SECONDS": "0.5"}) as running:
        yield running


def inferences(server: TritonServer) -> int:
    answer = httpx.get(f"http://127.0.0.1:{server.ports.http}/v2/models/clip_image_encoder/stats")
    return int(answer.json()["model_stats"][-1]["inference_count"])


async def test_killing_one_of_two_under_load_loses_no_request(
    replicas: list[TritonServer], gateway: GatewayProcess, face: bytes
) -> None:
    first, second = replicas
    async with traffic(gateway.url, face, concurrency=8) as seen:
        await seen.until(200, 60)
        shares = inferences(first), inferences(second)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        await seen.until(200, 120)
        assert await status_of(f"{gateway.url}/readyz") == 200
    assert min(shares) > 15, "both replicas must have been at work"
    assert seen.failures == []
    assert set(seen.statuses) == {200}
    assert max(seen.scores) - min(seen.scores) <= 0.02
