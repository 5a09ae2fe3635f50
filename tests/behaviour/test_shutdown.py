"""SIGTERM: nothing new is accepted, what is in flight is finished, and the exit code is 0."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.gateway_process import GatewayProcess
from tests.stack import Stack
from tests.traffic import status_of

pytestmark = pytest.mark.integration

REQUESTS = 12


@pytest.fixture
def gateway(stack: Stack) -> Iterator[GatewayProcess]:
    with GatewayProcess({"FACESTATS_TRITON_URLS": stack.grpc, "FACESTATS_THREADS": "1"}) as running:
        yield running


async def in_flight(client: httpx.AsyncClient, url: str) -> float:
    exposition = (await client.get(f"{url}/metrics")).text
    line = next(line for line in exposition.splitlines() if line.startswith("facestats_in_flight_requests "))
    return float(line.split()[1])


async def test_requests_in_flight_are_finished(gateway: GatewayProcess, face: bytes) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        requests = [
            asyncio.create_task(
                client.post(f"{gateway.url}/v1/score", content=face, headers={"content-type": "image/jpeg"})
            )
            for _ in range(REQUESTS)
        ]
        while await in_flight(client, gateway.url) < REQUESTS / 2:
            assert not all(request.done() for request in requests), "they were over before they could be counted"
        gateway.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*requests)
    assert [answer.status_code for answer in answers] == [200] * REQUESTS
    assert await asyncio.to_thread(gateway.process.wait, 30) == 0
    with pytest.raises(httpx.ConnectError):
        await status_of(f"{gateway.url}/healthz")


def test_an_idle_gateway_ends_with_0(gateway: GatewayProcess) -> None:
    assert gateway.stop() == 0


def test_the_whole_service_ends_with_0_and_takes_triton_along(exported_repository: Path) -> None:
    with Stack(exported_repository) as running:
        family = psutil.Process(running.process.pid).children(recursive=True)
        assert "tritonserver" in {child.name() for child in family}
        assert running.stop() == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in family)
