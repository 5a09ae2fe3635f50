"""The whole job inside Triton against the gateway: ``make bench-psl``, every way in turn in each round of one run.

The gateway is loaded by wrk, ``psl`` by perf_analyzer: both keep as many single-photo requests in flight and cost next
to nothing beside the photos.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.closed_loop import closed_loop
from benchmarks.exports import exported_repository
from benchmarks.gateways import StartedGateway
from benchmarks.markdown import markdown_table
from benchmarks.measurement import Sample, median_sample, spread
from benchmarks.process_tree import ProcessTree
from benchmarks.stacks import StartedStack
from benchmarks.triton_load import TritonLoad
from benchmarks.workload import Workload

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
GATEWAY, PSL, DOOR = "gateway", "psl through perf_analyzer", "gateway, FACESTATS_SCORING=triton"
TARGETS = {PSL: 0.95, DOOR: 0.9}
"""Throughput asked for, as a share of the gateway's."""

_FIGURES = "photos/s", "p50 ms", "p95 ms", "CPU ms a photo", "memory MB"


def gateway(url: str, in_flight: int, seconds: float, processes: ProcessTree) -> Sample:
    """A gateway under a closed loop of photos.

    Raises:
        LoadError: It answered none, or wrk is not installed.
    """
    return closed_loop(f"{url}/v1/score", PHOTO, in_flight, seconds, processes)


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
        ways: dict[str, Callable[[float], Sample]] = {
            GATEWAY: lambda seconds: gateway(stack.url, concurrency, seconds, stack.everything),
            PSL: lambda seconds: triton.at_concurrency("IMAGE", "grpc", concurrency, seconds, model="psl"),
            DOOR: lambda seconds: gateway(door.url, concurrency, seconds, through_door),
        }
        # The gateways are warmed up by their load itself.
        ways[PSL](seconds)
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
