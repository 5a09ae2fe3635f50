"""A fixed number of requests in flight (wrk, a generator in C that costs little), and what the generator took."""

from __future__ import annotations

import json
import math
import resource
import shutil
import subprocess
import time
from pathlib import Path

import httpx

from benchmarks.gateway_load import LONGEST_ANSWER, LoadError
from benchmarks.measurement import Sample
from benchmarks.process_tree import ProcessTree

_FIRST_ANSWER = 120.0
"""Seconds a service may take for the first answer of its life, when it loads what it needs."""

_FILLING, _FILLING_EACH = 2.0, 0.1
"""Seconds, and further seconds for each request in flight, after which as many requests end as begin."""

_SCRIPT = Path(__file__).with_name("post_photo.lua")


def closed_loop(
    url: str,
    body: Path,
    in_flight: int,
    seconds: float,
    processes: ProcessTree,
    content_type: str = "image/jpeg",
    gateway: ProcessTree | None = None,
) -> Sample:
    """Keeps ``in_flight`` requests of one body in flight, each answer followed by the next request.

    Args:
        url: Where to post, with its query.
        body: The file that is posted, one photo.
        in_flight: Connections, one request on each.
        seconds: For how long; the time in which the service fills up with requests comes before and is not counted.
        processes: The served processes, whose CPU and memory are counted.
        content_type: Of the body.
        gateway: Those of them whose CPU is told by itself as well.

    Raises:
        LoadError: wrk is not installed, or requests failed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise LoadError("wrk is not installed; `make load-generator` installs it.")
    _until_idle(url, body, content_type)
    filling = _FILLING + in_flight * _FILLING_EACH
    whole = math.ceil(filling + seconds) + 1
    start = time.time() + filling
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        *(program, "-t", "1", "-c", str(in_flight), "-d", f"{whole}s"),
        *("--timeout", f"{LONGEST_ANSWER:.0f}s", "-s", str(_SCRIPT), url),
        *("--", str(body), content_type, f"{start:.3f}", f"{start + seconds:.3f}"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as generator:
        time.sleep(max(0.0, start - time.time()))
        with processes.watch() as watch, (gateway or ProcessTree([])).watch() as own:
            time.sleep(max(0.0, start + seconds - time.time()))
        output, complaints = generator.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if generator.returncode != 0 or not lines:
        raise LoadError(f"wrk failed: {(complaints or output).strip()[-500:]}")
    found: dict[str, float] = json.loads(lines[-1])
    answers = found["answers"]
    if answers <= 0:
        raise LoadError(f"{url} answered none of {in_flight} requests in flight within {seconds:g} s.")
    # It works evenly, before and after the seconds that count too.
    generated = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * seconds / whole
    return Sample(
        answers / seconds,
        *(found["p50"], found["p95"], found["p99"]),
        cpu_ms=watch.cpu_seconds / answers * 1e3 if processes.pids else None,
        memory_mb=watch.memory_mb if processes.pids else None,
        failed=found["failed"] / (answers + found["failed"]),
        generator_cpu_ms=generated / answers * 1e3,
        gateway_cpu_ms=own.cpu_seconds / answers * 1e3 if gateway is not None and gateway.pids else None,
    )


def _until_idle(url: str, body: Path, content_type: str) -> None:
    """Waits until a lone request is answered: what the generator left behind when it stopped has been worked off.

    Raises:
        LoadError: It is refused for good.
    """
    end = time.monotonic() + _FIRST_ANSWER
    while True:
        answer = httpx.post(
            url, content=body.read_bytes(), headers={"Content-Type": content_type}, timeout=_FIRST_ANSWER
        )
        if answer.status_code == 200:
            return
        if answer.status_code != 503 or time.monotonic() > end:
            raise LoadError(f"{url} answered {answer.status_code}: {answer.text[:200]}")
        time.sleep(0.2)
