"""Several Tritons behind one gateway, and what follows for a fleet: ``make capacity`` writes docs/capacity.md's tables.

All replicas share this machine's cores, so more of them are no faster here. What is measured is what scales: the CPU
time and memory of a photo with one, two and four replicas, and how evenly they are used.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc._utils import _get_inference_request

from benchmarks.capacity import (
    Assumptions,
    PhotoCost,
    core_hours_per_million,
    fleet,
    images_per_core_second,
    price_per_million,
)
from benchmarks.exports import exported_repository
from benchmarks.gateway_load import post_photo
from benchmarks.gateways import StartedGateway
from benchmarks.markdown import markdown_table, replace_marked
from benchmarks.process_tree import ProcessTree
from benchmarks.report import describe_machine
from benchmarks.workload import Workload
from facestats_local_triton.server import TritonPorts, TritonServer

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
MARK = "capacity"
"""The section of the page that is written."""

FLEETS = (1, 2, 4, 10, 20, 100, 1000)
"""Replicas of Triton in the table of fleets."""

_CONCURRENCY = 8


@dataclass(frozen=True)
class Measured:
    """One number of replicas under full load.

    Attributes:
        replicas: Tritons behind the gateway.
        images_per_second: All of them together, on this machine.
        gateway_ms: CPU time a photo of the gateway, milliseconds.
        triton_ms: CPU time a photo of all Tritons, milliseconds.
        gateway_mb: Resident memory of the gateway.
        triton_mb: Resident memory of one Triton, mean.
        unevenness: Largest distance of a replica's share from an even one, as a part of it.
    """

    replicas: int
    images_per_second: float
    gateway_ms: float
    triton_ms: float
    gateway_mb: float
    triton_mb: float
    unevenness: float


def measure(replicas: int, repository: Path, workload: Workload, seconds: float, query: str) -> Measured:
    """Starts Tritons and a gateway, loads them and measures."""
    with ExitStack() as running, tempfile.TemporaryDirectory() as folder:
        servers = [
            running.enter_context(TritonServer(repository, TritonPorts.free(), restart=False)) for _ in range(replicas)
        ]
        for server in servers:
            server.wait_ready(240)
        urls = ",".join(f"127.0.0.1:{server.ports.grpc}" for server in servers)
        settings = {"FACESTATS_TRITON_URLS": urls, "FACESTATS_LOG_LEVEL": "warning"}
        gateway = running.enter_context(StartedGateway(settings, Path(folder) / "gateway.log"))
        load(gateway.url, workload, seconds / 4, query)
        pids = [server.pid for server in servers]
        gateway_tree, triton_tree = ProcessTree([gateway.pid]), ProcessTree([pid for pid in pids if pid is not None])
        before = [scored(server) for server in servers]
        cpu_before = gateway_tree.cpu_seconds(), triton_tree.cpu_seconds()
        start = time.perf_counter()
        images = load(gateway.url, workload, seconds, query)
        elapsed = time.perf_counter() - start
        gateway_cpu = gateway_tree.cpu_seconds() - cpu_before[0]
        triton_cpu = triton_tree.cpu_seconds() - cpu_before[1]
        counts = [scored(server) - earlier for server, earlier in zip(servers, before, strict=True)]
        even = sum(counts) / replicas
        return Measured(
            replicas=replicas,
            images_per_second=images / elapsed,
            gateway_ms=gateway_cpu / images * 1e3,
            triton_ms=triton_cpu / images * 1e3,
            gateway_mb=resident_mb([gateway.pid]),
            triton_mb=resident_mb(triton_tree.pids) / replicas,
            unevenness=max(abs(count - even) for count in counts) / even,
        )


def load(url: str, workload: Workload, seconds: float, query: str) -> int:
    """Posts the photo for so long, several at a time, and counts the answers.

    Raises:
        LoadError: An answer is not 200.
    """
    end = time.monotonic() + seconds
    counts = [0] * _CONCURRENCY
    failures: list[BaseException] = []

    def post(number: int) -> None:
        try:
            with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                while time.monotonic() < end:
                    post_photo(client, workload.data, query)
                    counts[number] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(_CONCURRENCY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts)


def scored(server: TritonServer) -> int:
    """Photos that a Triton has scored since its start."""
    answer = httpx.get(
        f"http://127.0.0.1:{server.ports.http}/v2/models/attractiveness/stats", timeout=30, trust_env=False
    )
    return int(answer.json()["model_stats"][0]["inference_count"])


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of some processes and their children, MB: what they would hold on machines of their own."""
    roots = [psutil.Process(pid) for pid in pids]
    family = {process for root in roots for process in (root, *root.children(recursive=True))}
    return float(sum(process.memory_info().rss for process in family)) / 1e6


def message_bytes(workload: Workload) -> int:
    """Size of the gRPC message in which the gateway sends one face."""
    tensor = InferInput("PIXELS", [1, *workload.pixels.shape], "UINT8")
    tensor.set_data_from_numpy(workload.batch(1))
    request = _get_inference_request(
        model_name="attractiveness",
        inputs=[tensor],
        model_version="",
        request_id="",
        outputs=[InferRequestedOutput(name) for name in ("SCORE", "RAW")],
        sequence_id=0,
        sequence_start=False,
        sequence_end=False,
        priority=0,
        timeout=30_000_000,
        parameters=None,
    )
    return int(request.ByteSize())


def photo_cost(measured: Sequence[Measured], message: int) -> PhotoCost:
    """The dearest figure of every number of replicas: a plan must not be too small."""
    return PhotoCost(
        gateway_ms=max(each.gateway_ms for each in measured),
        triton_ms=max(each.triton_ms for each in measured),
        gateway_mb=max(each.gateway_mb for each in measured),
        triton_mb=max(each.triton_mb for each in measured),
        message_bytes=message,
    )


def markdown(measured: Sequence[Measured], cost: PhotoCost, assumed: Assumptions, query: str) -> str:
    """The generated part of the page."""
    machine = describe_machine(len(os.sched_getaffinity(0)))
    rows: list[tuple[str, ...]] = [
        ("Tritons", "images/s", "gateway ms", "Triton ms", "gateway MB", "MB a Triton", "uneven")
    ]
    for each in measured:
        figures = (each.images_per_second, each.gateway_ms, each.triton_ms)
        memory = (each.gateway_mb, each.triton_mb)
        rows.append(
            (
                str(each.replicas),
                *(f"{value:.1f}" for value in figures),
                *(f"{value:.0f}" for value in memory),
                f"{each.unevenness:.1%}",
            )
        )
    fleets: list[tuple[str, ...]] = [
        ("Tritons", "gateways", "images/s", "cores", "memory GB", "Gbit/s to Triton", "connections", "price an hour")
    ]
    for count in FLEETS:
        plan = fleet(count, cost, assumed)
        fleets.append(
            (
                f"{plan.tritons:,}",
                f"{plan.gateways:,}",
                f"{plan.images_per_second:,.0f}",
                f"{plan.cores:,}",
                f"{plan.memory_gb:,.0f}",
                f"{plan.network_gbit_per_second:.2f}",
                f"{plan.connections:,}",
                f"{plan.price_per_hour:,.2f}",
            )
        )
    hours = core_hours_per_million(cost, assumed)
    return "\n\n".join(
        [
            f"**Measured** on {machine['processor']}, {machine['cores']} cores for all of it, load generator included, "
            f"fp32, `{query}`, {_CONCURRENCY} requests at a time; CPU time is of one core, a photo with one face:",
            markdown_table(rows),
            f"One core that does nothing else scores {images_per_core_second(cost):.1f} images/s (gateway and Triton "
            f"together, the dearest figure of each column). The message to Triton is {cost.message_bytes:,} bytes.",
            f"**Computed** with these inputs, which are choices and not measurements: utilisation "
            f"{assumed.utilisation:.0%}, {assumed.pod_cores} cores a gateway and a Triton, "
            f"{assumed.core_hour_price:g} (of any currency) for a core with its memory for an hour:",
            f"A million images take {hours:.1f} core hours: {hours:.1f} x {assumed.core_hour_price:g} = "
            f"**{price_per_million(cost, assumed):.2f} for a million images**.",
            markdown_table(fleets),
        ]
    )


def main() -> None:
    """Measures and writes the page's section, or prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=15.0, help="Length of one measurement.")
    parser.add_argument("--query", default="capture=stable", help="Query string of /v1/score.")
    parser.add_argument("--repository", type=Path, help="Exported repository (default: the benchmarks' fp32 export).")
    parser.add_argument("--utilisation", type=float, default=Assumptions.utilisation)
    parser.add_argument("--price", type=float, default=Assumptions.core_hour_price, help="Of a core for an hour.")
    parser.add_argument("--page", type=Path, help="Page whose generated section to replace.")
    arguments = parser.parse_args()
    workload = Workload(PHOTO)
    repository = arguments.repository or exported_repository("fp32")
    measured = []
    for count in arguments.replicas:
        measured.append(measure(count, repository, workload, arguments.seconds, arguments.query))
        print(measured[-1], flush=True)
    cost = photo_cost(measured, message_bytes(workload))
    assumed = Assumptions(utilisation=arguments.utilisation, core_hour_price=arguments.price)
    text = markdown(measured, cost, assumed, arguments.query)
    if arguments.page is None:
        print(text)
    else:
        replace_marked(arguments.page, MARK, text)


if __name__ == "__main__":
    main()
