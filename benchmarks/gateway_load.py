"""The gateway under load: a constant arrival rate (Locust, ``benchmarks.arrivals``), or one request at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.measurement import Sample, sample_of
from benchmarks.process_tree import ProcessTree
from benchmarks.workload import Workload
from facestats.loopback import is_loopback

LONGEST_ANSWER = 30.0
"""Seconds an answer may take: the gateway's own default deadline."""

LOAD_ENVIRONMENT = Path(__file__).parent.parent / ".venv-load" / "bin"
"""Locust's own environment: Locust and tritonclient want different releases of geventhttpclient."""

_MOST_USERS = 400


class LoadError(RuntimeError):
    """The load generator failed; the message says how."""


@dataclass(frozen=True)
class Arrival:
    """One request of an open loop.

    Attributes:
        due: When it arrived, seconds after the first.
        seconds: From there to the end of its answer.
        status: HTTP status; 0 when there was no answer.
    """

    due: float
    seconds: float
    status: int


@dataclass(frozen=True)
class GatewayLoad:
    """Loads one gateway with one photo.

    Attributes:
        url: The gateway.
        processes: The processes of gateway and Triton, if they run on this machine.
        workload: The photo.
    """

    url: str
    processes: ProcessTree
    workload: Workload

    def at_rate(self, rate: float, seconds: float, query: str) -> Sample:
        """Posts ``rate`` photos a second for ``seconds``, answered or not.

        Raises:
            LoadError: The load generator failed or nothing was answered.
        """
        with self.processes.watch() as watch:
            arrivals = run_arrivals(self.url, self.workload.path, query, rate, max(8, round(rate * seconds)))
        return open_loop_sample(arrivals, watch.cpu_seconds, watch.memory_mb)

    def one_at_a_time(self, seconds: float, query: str) -> Sample:
        """Posts the photo, waits for the answer, and so on."""
        durations: list[float] = []
        with httpx.Client(base_url=self.url, timeout=LONGEST_ANSWER, trust_env=not is_loopback(self.url)) as client:
            post_photo(client, self.workload.data, query)
            with self.processes.watch() as watch:
                start = time.perf_counter()
                while len(durations) < 5 or time.perf_counter() - start < seconds:
                    begun = time.perf_counter()
                    post_photo(client, self.workload.data, query)
                    durations.append(time.perf_counter() - begun)
                elapsed = time.perf_counter() - start
        return sample_of(durations, len(durations), elapsed, cpu_seconds=watch.cpu_seconds, memory_mb=watch.memory_mb)


def post_photo(client: httpx.Client, data: bytes, query: str) -> None:
    """Posts one photo.

    Raises:
        LoadError: The answer is not 200.
    """
    answer = client.post(f"/v1/score?{query}", content=data, headers={"Content-Type": "image/jpeg"})
    if answer.status_code != 200:
        raise LoadError(f"The gateway answered {answer.status_code}: {answer.text[:200]}")


def locust_command() -> str:
    """Locust's program, from the environment of its own that ``make load-generator`` makes.

    Raises:
        LoadError: It is not installed.
    """
    found = shutil.which("locust", path=LOAD_ENVIRONMENT) or shutil.which("locust")
    if found is None:
        raise LoadError("Locust is not installed; `make load-generator` installs it.")
    return found


def run_arrivals(url: str, photo: Path, query: str, rate: float, arrivals: int) -> list[Arrival]:
    """Runs Locust, a process of its own.

    Raises:
        LoadError: Locust is not installed or failed.
    """
    users = str(min(arrivals, _MOST_USERS))
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder) / "outcomes.jsonl"
        command = [
            *(locust_command(), "-f", str(Path(__file__).with_name("arrivals.py"))),
            *("--headless", "--only-summary", "--loglevel", "ERROR", "--host", url, "-u", users, "-r", users),
            *("-t", f"{round(arrivals / rate + LONGEST_ANSWER)}s", "--stop-timeout", "1", "--exit-code-on-error", "0"),
            *("--photo", str(photo), "--query", query, "--rate", str(rate), "--arrivals", str(arrivals)),
            *("--outcomes", str(outcomes)),
        ]
        finished = subprocess.run(command, check=False, capture_output=True, text=True)
        if finished.returncode != 0 or not outcomes.is_file():
            raise LoadError(f"Locust failed: {finished.stderr.strip()[-500:]}")
        return [Arrival(**json.loads(line)) for line in outcomes.read_text().splitlines()]


def open_loop_sample(arrivals: Sequence[Arrival], cpu_seconds: float | None, memory_mb: float | None) -> Sample:
    """Sustained throughput (answers over the time from the first arrival to the last answer) and latency.

    Raises:
        LoadError: No arrival got its answer.
    """
    answered = [arrival for arrival in arrivals if arrival.status == 200]
    if not answered:
        raise LoadError(f"None of {len(arrivals)} requests was answered.")
    elapsed = max(arrival.due + arrival.seconds for arrival in answered)
    return sample_of(
        [arrival.seconds for arrival in answered],
        len(answered),
        elapsed,
        cpu_seconds=cpu_seconds,
        memory_mb=memory_mb,
        failed=1 - len(answered) / len(arrivals),
    )
