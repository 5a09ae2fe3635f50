"""Memory over thousands of requests: ``make soak``.

Posts photos of several sizes, with bad ones among them, and compares the service's resident memory at the end with that
after the first tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import psutil
from PIL import Image

from benchmarks.evidence import Check, add_output_option, conclude
from benchmarks.stacks import StartedStack

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
ALLOWED_GROWTH = 0.05
"""Largest growth of resident memory after the first tenth of the requests."""

_CONCURRENCY = 3
_REPORTS = 10


def bodies(photo: Path) -> list[tuple[bytes, int]]:
    """What is posted in turn, each with the status it must get."""
    with Image.open(photo) as image:
        sizes = [encoded(image.resize((side, side))) for side in (320, 640, 900)]
    data = photo.read_bytes()
    return [(data, 200), (sizes[0], 200), (data, 200), (sizes[1], 200), (data[: len(data) // 2], 400), (sizes[2], 200)]


def encoded(image: Image.Image) -> bytes:
    """The image as a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of some processes and their children, MB.

    Proportional memory would fall and rise with other processes that share libraries with these.
    """
    roots = [psutil.Process(pid) for pid in pids]
    family = {process for root in roots for process in (root, *root.children(recursive=True))}
    return float(sum(process.memory_info().rss for process in family)) / 1e6


async def soak(
    url: str, pids: Sequence[int], requests: int, capture: str
) -> tuple[list[tuple[int, float]], Counter[int]]:
    """Posts ``requests`` photos, with the landmarks that ``capture`` names.

    Returns:
        Memory in MB after so many requests, and the number of wrong answers by status.
    """
    turns: Iterator[tuple[bytes, int]] = itertools.islice(itertools.cycle(bodies(PHOTO)), requests)
    memory: list[tuple[int, float]] = []
    wrong: Counter[int] = Counter()
    done = 0

    async def client_loop(client: httpx.AsyncClient) -> None:
        nonlocal done
        for body, expected in turns:
            answer = await client.post(
                f"{url}/v1/score?capture={capture}", content=body, headers={"Content-Type": "image/jpeg"}
            )
            wrong[answer.status_code] += answer.status_code != expected
            done += 1
            if done % max(1, requests // _REPORTS) == 0:
                memory.append((done, resident_mb(pids)))
                print(f"{time.strftime('%H:%M:%S')}  {done:6d} requests  {memory[-1][1]:8.1f} MB", flush=True)

    async with httpx.AsyncClient(timeout=120, trust_env=False) as client:
        await asyncio.gather(*(client_loop(client) for _ in range(_CONCURRENCY)))
    return memory, +wrong


def main() -> int:
    """Runs the soak; exit code 1 when memory grew too much or an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--capture", choices=("stable", "fast"), default="fast", help="Fast ones make more requests.")
    add_output_option(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"FACESTATS_LOG_LEVEL": "warning"}
        with StartedStack(arguments.repository, Path(folder) / "service.log", settings) as stack:
            memory, wrong = asyncio.run(soak(stack.url, stack.everything.pids, arguments.requests, arguments.capture))
    growth = memory[-1][1] / memory[0][1] - 1
    checks = [
        Check(
            "memory is flat",
            f"{memory[0][1]:.0f} MB after {memory[0][0]} requests, {memory[-1][1]:.0f} MB after {memory[-1][0]} "
            f"({growth:+.1%}, allowed {ALLOWED_GROWTH:.0%})",
            growth <= ALLOWED_GROWTH,
        ),
        Check("every answer is the expected one", f"wrong: {dict(wrong)}", not wrong),
    ]
    figures = {"memory_mb": {str(done): round(size, 1) for done, size in memory}, "capture": arguments.capture}
    return conclude("make soak", checks, figures, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
