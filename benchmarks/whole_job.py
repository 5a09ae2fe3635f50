"""The whole job inside Triton against the gateway: ``make bench-psl``, every way in turn in each round of one run.

The gateway is loaded by a closed loop of plain HTTP/1.1 connections, ``psl`` by perf_analyzer: both keep as many
single-photo requests in flight and cost next to nothing beside the photos.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.exports import exported_repository
from benchmarks.gateways import StartedGateway
from benchmarks.markdown import markdown_table
from benchmarks.measurement import Sample, median_sample, sample_of, spread
from benchmarks.process_tree import ProcessTree
from benchmarks.stacks import StartedStack
from benchmarks.triton_load import TritonLoad
from benchmarks.workload import Workload

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
GATEWAY, PSL, DOOR = "gateway", "psl through perf_analyzer", "gateway, FACESTATS_SCORING=triton"
TARGETS = {PSL: 0.95, DOOR: 0.9}
"""Throughput asked for, as a share of the gateway's."""

_FIGURES = "photos/s", "p50 ms", "p95 ms", "CPU ms a photo", "memory MB"


class ClosedLoop:
    """So many requests in flight on a gateway, each sent when the one before is answered.

    Args:
        url: The gateway.
        photo: Encoded image.
        concurrency: Requests in flight.
        processes: Whose CPU time and memory are measured.
    """

    def __init__(self, url: str, photo: bytes, concurrency: int, processes: ProcessTree) -> None:
        self._address = urlsplit(url).netloc
        self._photo = photo
        self._concurrency = concurrency
        self._processes = processes

    def measure(self, seconds: float) -> Sample:
        """Loads it for a while.

        Raises:
            RuntimeError: A photo was not scored.
        """
        end = time.perf_counter() + seconds
        start = time.perf_counter()
        with self._processes.watch() as watch, ThreadPoolExecutor(self._concurrency) as pool:
            latencies = [each for loop in pool.map(self._loop, [end] * self._concurrency) for each in loop]
        elapsed = time.perf_counter() - start
        return sample_of(latencies, len(latencies), elapsed, cpu_seconds=watch.cpu_seconds, memory_mb=watch.memory_mb)

    def _loop(self, end: float) -> list[float]:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        latencies = []
        while (sent := time.perf_counter()) < end:
            connection.request("POST", "/v1/score", self._photo, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {body[:200]!r}")
            latencies.append(time.perf_counter() - sent)
        connection.close()
        return latencies


def measure(repository: Path, rounds: int, seconds: float, concurrency: int, folder: Path) -> list[dict[str, Sample]]:
    """Samples of each way, round by round."""
    workload = Workload(PHOTO)
    inputs = workload.write_perf_analyzer_inputs(folder)
    with (
        StartedStack(repository, folder / "stack.log") as stack,
        StartedGateway(
            {"FACESTATS_SCORING": "triton", "FACESTATS_TRITON_URLS": stack.grpc}, folder / "door.log"
        ) as door,
    ):
        triton = TritonLoad(stack.grpc, stack.http, stack.triton, inputs)
        through_door = ProcessTree([door.pid, *stack.triton.pids])
        ways = {
            GATEWAY: ClosedLoop(stack.url, workload.data, concurrency, stack.everything).measure,
            PSL: lambda seconds: triton.at_concurrency("IMAGE", "grpc", concurrency, seconds, model="psl"),
            DOOR: ClosedLoop(door.url, workload.data, concurrency, through_door).measure,
        }
        for way in ways.values():
            way(2.0)
        samples = []
        for number in range(1, rounds + 1):
            samples.append({name: way(seconds) for name, way in ways.items()})
            said = "; ".join(f"{name} {sample.images_per_second:.1f}" for name, sample in samples[-1].items())
            print(f"round {number}: {said} photos/s", flush=True)
    return samples


def report(rounds: list[dict[str, Sample]]) -> str:
    """The table: each way's medians, and the median of its ratio to the gateway round by round."""
    rows: list[tuple[str, ...]] = [("way", *_FIGURES, "/ gateway", "spread", "target")]
    for name in rounds[0]:
        sample = median_sample([samples[name] for samples in rounds])
        figures = sample.images_per_second, sample.p50, sample.p95, sample.cpu_ms or 0.0, sample.memory_mb or 0.0
        ratios = [samples[name].images_per_second / samples[GATEWAY].images_per_second for samples in rounds]
        target = f"{TARGETS[name]:.2f}" if name in TARGETS else ""
        rows.append(
            (
                name,
                *(f"{figure:.1f}" for figure in figures),
                f"{statistics.median(ratios):.2f}",
                f"{spread(ratios):.0%}",
                target,
            )
        )
    return markdown_table(rows)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, help="an exported model repository; made at --precision if absent")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight")
    given = parser.parse_args()
    repository = given.repository or exported_repository(given.precision)
    with tempfile.TemporaryDirectory() as folder:
        print(report(measure(repository, given.rounds, given.seconds, given.concurrency, Path(folder))))


if __name__ == "__main__":
    main()
