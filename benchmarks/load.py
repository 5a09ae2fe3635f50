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
from typing import Any

import httpx
import numpy as np

from benchmarks.evidence import Check, add_output_option, conclude
from benchmarks.gateway_load import Arrival, LoadError, run_arrivals
from benchmarks.soak import PHOTO, resident_mb
from benchmarks.stacks import Stack, StartedStack
from facestats.loopback import is_loopback
from facestats_gateway.settings import Settings

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
        async with httpx.AsyncClient(
            base_url=self.stack.url, timeout=30, trust_env=not is_loopback(self.stack.url)
        ) as client:
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


@dataclass(frozen=True)
class Outcome:
    """What came of the overload.

    Attributes:
        rate: Photos a second that the service can do.
        offered: Photos a second that arrived.
        in_flight: Photos that are admitted at a time.
        arrivals: Every request.
        probe: What was seen beside them.
    """

    rate: float
    offered: float
    in_flight: int
    arrivals: Sequence[Arrival]
    probe: Probe

    def figures(self) -> dict[str, float | dict[str, int]]:
        """The numbers."""
        statuses = Counter(arrival.status for arrival in self.arrivals)
        admitted = np.array([arrival.seconds for arrival in self.arrivals if arrival.status == 200])
        refused = np.array([arrival.seconds for arrival in self.arrivals if arrival.status in (429, 503)])
        # The first quarter fills arenas and caches.
        settled = self.probe.memory_mb[len(self.probe.memory_mb) // 4 :]
        numbers = {
            "capacity_per_second": self.rate,
            "offered_per_second": self.offered,
            "requests": len(self.arrivals),
            "photos_in_flight": self.in_flight,
            "full_queue_seconds": self.in_flight / self.rate,
            "admitted_p50_seconds": np.percentile(admitted, 50),
            "admitted_p99_seconds": np.percentile(admitted, 99),
            "refused_p99_seconds": np.percentile(refused, 99) if len(refused) else 0.0,
            "healthz_answers": len(self.probe.health_ms),
            "healthz_p50_ms": np.median(self.probe.health_ms),
            "healthz_p99_ms": np.percentile(self.probe.health_ms, 99),
            "memory_settled_mb": settled[0],
            "memory_end_mb": settled[-1],
            "memory_most_mb": max(settled),
        }
        return {
            name: value if isinstance(value, int) else round(float(value), 4) for name, value in numbers.items()
        } | {"statuses": {str(status): count for status, count in sorted(statuses.items())}}

    def checks(self) -> list[Check]:
        """What must hold."""
        seen: dict[str, Any] = self.figures()
        admitted = seen["statuses"].get("200", 0) / len(self.arrivals)
        ratio = seen["admitted_p99_seconds"] / seen["full_queue_seconds"]
        growth = seen["memory_end_mb"] / seen["memory_settled_mb"] - 1
        return [
            Check(
                "every request is answered 200, 429 or 503",
                f"{seen['statuses']}, refusals within {seen['refused_p99_seconds'] * 1e3:.0f} ms (p99)",
                {int(status) for status in seen["statuses"]} <= ALLOWED_STATUSES,
            ),
            Check(
                "the admitted wait no longer than a full queue explains",
                f"{admitted:.0%} admitted, p50 {seen['admitted_p50_seconds']:.2f} s, p99 "
                f"{seen['admitted_p99_seconds']:.2f} s; a full queue of {self.in_flight} takes "
                f"{seen['full_queue_seconds']:.2f} s: ratio {ratio:.2f} (allowed {ALLOWED_QUEUE_RATIO:g})",
                ratio <= ALLOWED_QUEUE_RATIO,
            ),
            Check(
                "/healthz answers at once",
                f"{len(self.probe.health_ms)} answers, p50 {seen['healthz_p50_ms']:.1f} ms, p99 "
                f"{seen['healthz_p99_ms']:.1f} ms (allowed {ALLOWED_HEALTH_MS:g})",
                seen["healthz_p99_ms"] <= ALLOWED_HEALTH_MS,
            ),
            Check(
                "memory is flat",
                f"{seen['memory_settled_mb']:.0f} -> {seen['memory_end_mb']:.0f} MB ({growth:+.1%}), most "
                f"{seen['memory_most_mb']:.0f} MB",
                growth <= ALLOWED_GROWTH,
            ),
        ]


def main() -> int:
    """Measures the capacity and offers twice as much; exit code 1 when a figure is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    add_output_option(parser)
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
    outcome = Outcome(rate, offered, Settings().max_requests_in_flight, arrivals, probe)
    return conclude("make bench-load", outcome.checks(), outcome.figures(), arguments.output)


if __name__ == "__main__":
    sys.exit(main())
