"""Several replicas behind one gateway: even shares, and restarts of all of them that no request notices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest

from facestats_local_triton.server import TritonPorts, TritonServer
from tests.behaviour.name_server import NameServer
from tests.export.spread_tower import write_spread_tower
from tests.gateway_process import GatewayProcess
from tests.traffic import Traffic, traffic

pytestmark = pytest.mark.integration

FAIR = 0.25
"""How far a replica's share may lie from an even one."""


@pytest.fixture(scope="module")
def small_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real repository with a small tower: four replicas and a gateway must fit on a small machine."""
    from rich.console import Console

    from facestats_export.options import ExportOptions
    from facestats_export.run import export_models

    folder = tmp_path_factory.mktemp("small")
    tower = write_spread_tower(folder)
    options = ExportOptions(
        weights=str(tower.snapshot),
        regressor=str(tower.regressor),
        calibration=tower.calibration,
        output=folder / "model_repository",
        compare_triton=False,
        precision="fp32",
    )
    export_models(options, Console(stderr=True, quiet=True))
    return options.output


@dataclass
class Replica:
    """A Triton at one address that can be restarted there, as a supervisor of its machine would."""

    repository: Path
    host: str = "127.0.0.1"
    extra_args: Sequence[str] = ()
    ports: TritonPorts = field(default_factory=TritonPorts.free)

    def start(self) -> None:
        """Starts it, without waiting for it."""
        self._server = TritonServer(
            self.repository, self.ports, host=self.host, extra_args=self.extra_args, restart=False
        )
        self._server.start()

    def wait_ready(self) -> None:
        """Waits until it can serve."""
        self._server.wait_ready(120)

    def stop(self) -> None:
        """SIGTERM: it finishes what it has taken in and ends."""
        self._server.stop()

    async def scored(self) -> int:
        """Photos scored since it was started."""
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.get(f"http://{self.host}:{self.ports.http}/v2/models/attractiveness/stats")
        return int(answer.json()["model_stats"][0]["inference_count"])

    async def has_scored(self) -> bool:
        """Whether it takes part."""
        return await self.scored() > 0


@pytest.fixture
def running() -> Iterator[Callable[[Sequence[Replica]], None]]:
    """Starts replicas, all at once, and ends them with the test."""
    started: list[Replica] = []

    def start(replicas: Sequence[Replica]) -> None:
        for replica in replicas:
            started.append(replica)
            replica.start()
        for replica in replicas:
            replica.wait_ready()

    yield start
    with ThreadPoolExecutor() as pool:
        list(pool.map(Replica.stop, started))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits for a condition of the replicas, which nobody announces."""
    with anyio.fail_after(60):
        while True:
            if await condition():
                return
            await anyio.sleep(0.1)


async def shares(replicas: Sequence[Replica], seen: Traffic) -> list[float]:
    """Each replica's part of the next photos, 1.0 being an even one."""
    before = [await replica.scored() for replica in replicas]
    await seen.until(200, 40 * len(replicas))
    scored = [await replica.scored() - earlier for replica, earlier in zip(replicas, before, strict=True)]
    return [count * len(replicas) / sum(scored) for count in scored]


def assert_all_scored_alike(seen: Traffic) -> None:
    assert seen.failures == []
    assert seen.refusals == []
    assert set(seen.statuses) == {200}
    assert max(seen.scores) - min(seen.scores) <= 0.02


@pytest.mark.parametrize("count", [2, 4])
async def test_a_rolling_restart_of_all_replicas_fails_no_request(
    small_repository: Path, running: Callable[[Sequence[Replica]], None], face: bytes, count: int
) -> None:
    replicas = [Replica(small_repository) for _ in range(count)]
    await asyncio.to_thread(running, replicas)
    urls = ",".join(f"127.0.0.1:{replica.ports.grpc}" for replica in replicas)
    settings = {"FACESTATS_TRITON_URLS": urls, "FACESTATS_TRITON_CHECK_SECONDS": "0.5"}
    with GatewayProcess(settings) as gateway:
        async with traffic(gateway.url, face, concurrency=8) as seen:
            at_first = await shares(replicas, seen)
            for replica in replicas:
                await asyncio.to_thread(replica.stop)
                replica.start()
                await asyncio.to_thread(replica.wait_ready)
                # One after the other: the next goes when this one serves again.
                await until(replica.has_scored)
            in_the_end = await shares(replicas, seen)
    assert_all_scored_alike(seen)
    assert at_first == pytest.approx([1.0] * count, abs=FAIR)
    assert in_the_end == pytest.approx([1.0] * count, abs=FAIR)


async def test_replicas_that_come_and_go_under_one_name_fail_no_request(
    small_repository: Path, running: Callable[[Sequence[Replica]], None], face: bytes
) -> None:
    """What a headless service does in a rolling update: successors join the name, then predecessors leave and end."""
    ports = TritonPorts.free()
    # As deploy/docker/triton.Dockerfile does, only sooner: a connection's end makes its gateway look the name up.
    arguments = ("--grpc-max-connection-age=1000", "--grpc-max-connection-age-grace=60000")
    old, new = (
        [Replica(small_repository, host, arguments, ports) for host in hosts]
        for hosts in (("127.0.0.2", "127.0.0.3"), ("127.0.0.4", "127.0.0.5"))
    )
    await asyncio.to_thread(running, old)
    with NameServer("triton", [replica.host for replica in old]) as names:
        url = f"dns://{names.address}/triton:{ports.grpc}"
        with GatewayProcess({"FACESTATS_TRITON_URLS": url, "FACESTATS_TRITON_CHECK_SECONDS": "0.5"}) as gateway:
            async with traffic(gateway.url, face, concurrency=8) as seen:
                at_first = await shares(old, seen)
                await asyncio.to_thread(running, new)
                names.addresses = [replica.host for replica in (*old, *new)]
                for replica in new:
                    await until(replica.has_scored)
                names.addresses = [replica.host for replica in new]
                await asyncio.gather(*(asyncio.to_thread(replica.stop) for replica in old))
                in_the_end = await shares(new, seen)
    assert_all_scored_alike(seen)
    assert at_first == pytest.approx([1.0, 1.0], abs=FAIR)
    assert in_the_end == pytest.approx([1.0, 1.0], abs=FAIR)
