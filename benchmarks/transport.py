"""Would system shared memory between gateway and Triton pay? ``make bench-transport`` lets perf_analyzer try both."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Literal

from benchmarks.exports import exported_repository
from benchmarks.markdown import markdown_table
from benchmarks.measurement import Sample
from benchmarks.stacks import StartedStack
from benchmarks.triton_load import TritonLoad
from benchmarks.workload import Workload

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
PRECISION = "int8"
"""The fastest graph, beside which a copy costs most."""

WAYS: tuple[Literal["none", "system"], ...] = ("none", "system")
CONCURRENCIES = (1, 8, 16)
ROUNDS, SECONDS = 5, 3.0


def measure(folder: Path) -> dict[tuple[int, str], list[Sample]]:
    """Samples of each concurrency and way, interleaved over the rounds."""
    inputs = Workload(PHOTO).write_perf_analyzer_inputs(folder)
    samples: dict[tuple[int, str], list[Sample]] = {}
    opened = ("--open-triton-api", "shared-memory")
    with StartedStack(exported_repository(PRECISION), folder / "service.log", arguments=opened) as stack:
        load = TritonLoad(stack.grpc, stack.http, stack.triton, inputs)
        for _ in range(ROUNDS):
            for concurrency in CONCURRENCIES:
                for way in WAYS:
                    sample = load.at_concurrency("PIXELS", "grpc", concurrency, SECONDS, way)
                    samples.setdefault((concurrency, way), []).append(sample)
    return samples


def main() -> None:
    """Prints images a second and p50 of both ways, and the median over the rounds of their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        samples = measure(Path(folder))
    rows: list[tuple[str, ...]] = [
        ("concurrency", "in the message, images/s", "shared memory, images/s", "p50 ms", "p50 ms", "ratio")
    ]
    for concurrency in CONCURRENCIES:
        message, shared = (samples[concurrency, way] for way in WAYS)
        pairs = zip(message, shared, strict=True)
        rows.append(
            (
                str(concurrency),
                *(f"{statistics.median(each.images_per_second for each in way):.1f}" for way in (message, shared)),
                *(f"{statistics.median(each.p50 for each in way):.1f}" for way in (message, shared)),
                f"{statistics.median(one.images_per_second / other.images_per_second for other, one in pairs):.3f}",
            )
        )
    print(markdown_table(rows))


if __name__ == "__main__":
    main()
