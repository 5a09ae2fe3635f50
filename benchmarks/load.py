"""Twice what the service can do, open loop, for a minute: ``make bench-load``.

Every request must get 200, 429 or 503; the admitted ones may take at most three times what their place in a full queue
explains; memory stays flat; ``/healthz`` answers within 50 ms (99th percentile).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import httpx
import numpy as np

from benchmarks.gateway_load import Arrival, LoadError, run_arrivals
from benchmarks.soak import PHOTO, resident_mb
from benchmarks.stacks import Stack, StartedStack
from gateway.settings import Settings

ALLOWED_STATUSES = {200, 429, 503}
ALLOWED_QUEUE_RATIO = 3.0
ALLOWED_HEALTH_MS = 50.0
ALLOWED_GROWTH = 0.05
OVERLOAD = 2.0

_CAPACITY_SECONDS = 15.0
_CAPACITY_RATE = 60.0
_PROBE_SECONDS = 0.05


@dataclass
class Probe:
    """Asks ``/healthz`` and looks at memory while it is open; use as a context manager.

    Attributes:
        health_ms: Every answer's time, milliseconds.
        memory_mb: Resident memory of the whole service, about once a second.
    """

    stack: Stack
    health_ms: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)

    def __enter__(self) -> Probe:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self.stack.url, timeout=30) as client:
            while not self._ended.is_set():
                begun = time.perf_counter()
                (await client.get("/healthz")).raise_for_status()
                self.health_ms.append((time.perf_counter() - begun) * 1e3)
                if len(self.health_ms) % 20 == 1:
                    self.memory_mb.append(resident_mb(self.stack.everything.pids))
                await asyncio.sleep(_PROBE_SECONDS)


def capacity(url: str) -> float:
    """Photos a second that are answered when far more arrive."""
    arrivals = run_arrivals(url, PHOTO, "", _CAPACITY_RATE, round(_CAPACITY_RATE * _CAPACITY_SECONDS))
    answered = [arrival for arrival in arrivals if arrival.status == 200]
    if not answered:
        raise LoadError("No photo was answered.")
    return len(answered) / max(arrival.due + arrival.seconds for arrival in answered)


def report(arrivals: Sequence[Arrival], rate: float, in_flight: int, probe: Probe) -> bool:
    """Prints the figures; whether all of them are as they must be."""
    statuses = Counter(arrival.status for arrival in arrivals)
    admitted = np.array([arrival.seconds for arrival in arrivals if arrival.status == 200])
    refused = np.array([arrival.seconds for arrival in arrivals if arrival.status in (429, 503)])
    full_queue = in_flight / rate
    p50, p99 = np.percentile(admitted, [50, 99])
    health = float(np.percentile(probe.health_ms, 99))
    # The first quarter fills arenas and caches.
    settled = probe.memory_mb[len(probe.memory_mb) // 4 :]
    growth = settled[-1] / settled[0] - 1
    checks = {
        f"statuses {dict(statuses)}": set(statuses) <= ALLOWED_STATUSES,
        f"admitted: {len(admitted) / len(arrivals):.0%}, p50 {p50:.2f} s, p99 {p99:.2f} s; a full queue of {in_flight} "
        f"takes {full_queue:.2f} s: ratio {p99 / full_queue:.2f}": p99 <= ALLOWED_QUEUE_RATIO * full_queue,
        f"refused: p99 {float(np.percentile(refused, 99)) * 1e3 if len(refused) else 0:.0f} ms": True,
        f"/healthz: {len(probe.health_ms)} answers, p50 {np.median(probe.health_ms):.1f} ms, p99 {health:.1f} ms": (
            health <= ALLOWED_HEALTH_MS
        ),
        f"memory: {settled[0]:.0f} -> {settled[-1]:.0f} MB ({growth:+.1%}), most {max(settled):.0f} MB": (
            growth <= ALLOWED_GROWTH
        ),
    }
    for line, good in checks.items():
        print(f"{'ok  ' if good else 'FAIL'}  {line}")
    return all(checks.values())


def main() -> int:
    """Measures the capacity and offers twice as much; exit code 1 when a figure is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"FACESTATS_LOG_LEVEL": "warning"}
        with StartedStack(arguments.repository, Path(folder) / "service.log", settings) as stack:
            rate = capacity(stack.url)
            offered = OVERLOAD * rate
            print(
                f"capacity {rate:.1f} photos a second; offering {offered:.1f} for {arguments.seconds:.0f} s", flush=True
            )
            with Probe(stack) as probe:
                arrivals = run_arrivals(stack.url, PHOTO, "", offered, round(offered * arguments.seconds))
    return int(not report(arrivals, rate, Settings().max_requests_in_flight, probe))


if __name__ == "__main__":
    sys.exit(main())
