"""Bulk scoring of 2,000 photos on two Ray nodes with a worker killed: ``make bench-bulk``.

Every photo must have exactly one row, and every row the gateway's answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow.parquet as pq

from benchmarks.exports import exported_repository
from benchmarks.photographs import disguises
from benchmarks.stacks import StartedStack
from facestats.faces.options import ScoreOptions
from facestats_bulk.blocks import Receipt
from facestats_bulk.cluster import LOOPBACK_ENVIRONMENT, RAY_ENVIRONMENT
from facestats_bulk.run import BulkOptions, Summary, run_bulk

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
NODES = 2

SCORE_TOLERANCE = 0.02
"""Points. Triton batches photos that are in flight together, and a batch's last float32 bits depend on its size."""

RAW_TOLERANCE = 1e-5
"""In the regressor's own unit, which answers give to 1e-6."""

LEAST_SPREAD = 15.0
"""Points by which compared scores must differ among themselves, or their agreement would say nothing."""

_CONCURRENCY = 8
_SCORES = ("score", "geometric_score", "holistic_score")


@contextlib.contextmanager
def ray_nodes(count: int, cpus: int) -> Iterator[str]:
    """A Ray cluster of some nodes on this machine's loopback interface.

    Yields:
        Its address.
    """
    os.environ.update(RAY_ENVIRONMENT | LOOPBACK_ENVIRONMENT)
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"num_cpus": cpus, "node_ip_address": "127.0.0.1"}
    node["object_store_memory"] = 1_000_000_000
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(**node)
        yield cluster.address
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


@dataclass
class Killing:
    """Kills the first worker that finishes a block, over its next one, and watches the driver's memory.

    Attributes:
        receipts: What workers said.
        killed: The process that was killed.
        driver_mb: Resident memory of this process after each block, MB.
    """

    receipts: list[Receipt] = field(default_factory=list)
    killed: int | None = None
    driver_mb: list[float] = field(default_factory=list)

    def __call__(self, summary: Summary, receipt: Receipt | None) -> None:
        """Takes a receipt."""
        if receipt is None:
            return
        self.receipts.append(receipt)
        self.driver_mb.append(psutil.Process().memory_info().rss / 1e6)
        if self.killed is None:
            self.killed = receipt.pid
            os.kill(receipt.pid, signal.SIGKILL)
        print(f"{time.strftime('%H:%M:%S')}  {summary.written:5d} rows  {summary.rate:6.1f}/s", flush=True)


async def gateway_answers(url: str, paths: Sequence[Path], capture: str) -> tuple[dict[str, dict[str, Any]], float]:
    """The gateway's answer for every photo, and the time for all, seconds."""
    waiting = iter(paths)
    answers: dict[str, dict[str, Any]] = {}

    async def client_loop(client: httpx.AsyncClient) -> None:
        for path in waiting:
            answer = await client.post(
                f"{url}/v1/score", params={"capture": capture}, files={"image": path.read_bytes()}
            )
            answers[str(path)] = answer.json()

    start = time.perf_counter()
    async with httpx.AsyncClient(timeout=120, trust_env=False) as client:
        await asyncio.gather(*(client_loop(client) for _ in range(_CONCURRENCY)))
    return answers, time.perf_counter() - start


def compare(rows: Sequence[dict[str, Any]], answers: dict[str, dict[str, Any]]) -> list[str]:
    """Prints how far the rows are from the gateway's answers; returns what is wrong."""
    wrong, differences, raw, scores = [], [], [], []
    for row in rows:
        answer = answers[row["id"]]
        if row["problem_type"] is not None or "faces" not in answer:
            if row["problem_type"] != answer.get("type"):
                wrong.append(f"{row['id']}: {row['problem_type']} here, {answer.get('type')} by the gateway")
            continue
        face = answer["faces"][0]
        theirs = (face["score"], face["geometric"]["score"], face["holistic"]["score"])
        ours = [row[name] for name in _SCORES]
        differences.append(max(abs(a - b) for a, b in zip(ours, theirs, strict=True)))
        raw.append(abs(row["raw"] - face["holistic"]["raw"]))
        scores.append(row["holistic_score"])
    spread = max(scores) - min(scores)
    inside = sum(0 < score < 100 for score in scores)
    print(f"holistic scores {min(scores):.2f}..{max(scores):.2f}, {inside} of {len(scores)} inside the calibration")
    print(f"largest difference {max(differences):.4f} points, equal to the last digit {differences.count(0.0)}")
    print(f"largest difference of raw {max(raw):.6f}, equal to the last digit {raw.count(0.0)}")
    if max(differences) > SCORE_TOLERANCE or max(raw) > RAW_TOLERANCE:
        wrong.append(f"scores differ by up to {max(differences):.3f} points, raw by up to {max(raw):.6f}")
    if spread < LEAST_SPREAD:
        wrong.append(f"the scores lie within {spread:.1f} points of each other, so their agreement proves nothing")
    return wrong


def write_photos(folder: Path, count: int) -> list[Path]:
    """Writes distinct photos into the folder."""
    folder.mkdir()
    paths = [folder / f"{number:05d}.jpg" for number in range(count)]
    for path, data in zip(paths, disguises(PHOTO, count), strict=True):
        path.write_bytes(data)
    return paths


def main() -> int:
    """Runs it; exit code 1 when a row is missing, doubled or different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--precision", default="fp32", help="Export of the benchmarks to score with.")
    parser.add_argument("--repository", type=Path, help="Score with this model repository instead.")
    parser.add_argument("--capture", choices=("stable", "fast"), default="stable")
    arguments = parser.parse_args()
    repository = arguments.repository or exported_repository(arguments.precision)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = write_photos(folder / "photos", arguments.images)
        killing = Killing()
        with ray_nodes(NODES, max(1, cores // NODES)) as address:
            options = BulkOptions(
                inputs=[str(folder / "photos")],
                output=str(folder / "scores"),
                score=ScoreOptions(capture=arguments.capture),
                repository=repository,
                address=address,
            )
            summary = run_bulk(options, killing)
        print(f"{summary.written} rows in {summary.seconds:.1f} s, {summary.rate:.2f} images/s on {cores} cores")
        print(f"{len(summary.nodes)} nodes, workers {sorted({receipt.pid for receipt in killing.receipts})}", end=", ")
        print(f"killed {killing.killed}; problems {dict(summary.problems)}")
        half = len(killing.driver_mb) // 2
        print(
            f"driver's memory {statistics.mean(killing.driver_mb[:half]):.0f} MB in the first half, "
            f"{statistics.mean(killing.driver_mb[half:]):.0f} MB in the second"
        )
        rows = pq.read_table(folder / "scores", columns=["id", "problem_type", "raw", *_SCORES]).to_pylist()
        wrong = [] if sorted(row["id"] for row in rows) == sorted(map(str, paths)) else ["the rows are not the photos"]
        with StartedStack(repository, folder / "service.log", {"FACESTATS_LOG_LEVEL": "warning"}) as stack:
            answers, seconds = asyncio.run(gateway_answers(stack.url, paths, arguments.capture))
        print(f"the gateway: {len(answers) / seconds:.2f} images/s with {_CONCURRENCY} in flight")
        wrong += compare(rows, answers)
    for line in wrong:
        print(f"WRONG: {line}")
    print(f"{len({row['id'] for row in rows})} distinct rows; {'failed' if wrong else 'all as the gateway answers'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
