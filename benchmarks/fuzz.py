"""Tens of thousands of damaged images and requests: ``make fuzz``.

Three parts: mutated files straight into the decoder, mutated files and requests through the whole app with real Face
Mesh, and Schemathesis against our OpenAPI on a gateway in a process of its own. Geometry alone answers, so that any 5xx
is a fault of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.evidence import Check, add_output_option, conclude
from benchmarks.mutations import mutants, seed_images
from benchmarks.soak import resident_mb
from benchmarks.stacks import START_TIMEOUT, StackError, free_ports, is_ready
from facestats.images.imaging import decode_image
from facestats.images.limits import ImageError, ImageLimits
from facestats.logging import configure_logging
from facestats_gateway.app import create_app
from facestats_gateway.settings import Settings

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
ALLOWED_GROWTH = 0.05
"""Largest growth of resident memory from the first fifth of a part to its end."""

_PATHS = ("/v1/score", "/v1/score", "/v1/score/batch", "/api/analyze-face")


class Memory:
    """Resident memory of this process, from the first fifth of the work to its end."""

    def __init__(self, total: int) -> None:
        self._first = total // 5
        self._process = psutil.Process()
        self.before = self.after = 0.0

    def look(self, done: int) -> None:
        """Measures where it matters."""
        if done % 1000 == 0 or done == self._first:
            gc.collect()
            self.after = self._process.memory_info().rss / 1e6
            if done <= self._first or not self.before:
                self.before = self.after

    @property
    def growth(self) -> float:
        """Share by which memory grew."""
        return self.after / self.before - 1


def fuzz_decoder(count: int, seed: int) -> tuple[Counter[str], Memory]:
    """Decodes mutated files.

    Returns:
        How often each outcome came, and memory. Anything but an ``ImageError`` ends the run.
    """
    outcomes: Counter[str] = Counter()
    memory = Memory(count)
    limits = ImageLimits(max_pixels=4_000_000)
    for done, data in zip(range(1, count + 1), mutants(seed_images(PHOTO), seed), strict=False):
        try:
            decode_image(data, limits)
            outcomes["decoded"] += 1
        except ImageError as error:
            outcomes[error.code] += 1
        memory.look(done)
    return outcomes, memory


async def fuzz_app(count: int, seed: int) -> tuple[Counter[int | str], Memory]:
    """Sends mutated files and requests through the whole app.

    Returns:
        How often each status came, and memory.

    Raises:
        RuntimeError: An answer is no JSON or problem document, or a healthy photo is not scored afterwards.
    """
    app = create_app(Settings(degrade="geometric", triton_urls="127.0.0.1:1", threads=2, log_level="error"))
    chance, files = random.Random(seed), mutants(seed_images(PHOTO), seed + 1)
    statuses: Counter[int | str] = Counter()
    memory = Memory(count)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://fuzz", timeout=120) as client,
    ):
        for done in range(1, count + 1):
            request = fuzzed_request(chance, next(files))
            answer = await client.request(**request)
            if request["url"] == "/api/analyze-face" and answer.status_code == 503:
                # Its layout has no place to say that half of a score is missing: without Triton it refuses.
                statuses["503 of the drop-in, without Triton"] += 1
            else:
                statuses[answer.status_code] += 1
            if answer.status_code >= 400 and "json" not in answer.headers["content-type"]:
                raise RuntimeError(f"{answer.status_code} without a document: {answer.text[:200]}")
            memory.look(done)
        healthy = await client.post("/v1/score", files={"image": PHOTO.read_bytes()})
        if healthy.status_code != 200:
            raise RuntimeError(f"A healthy photo is answered {healthy.status_code} afterwards: {healthy.text[:200]}")
    return statuses, memory


def fuzzed_request(chance: random.Random, data: bytes) -> dict[str, Any]:
    """A request around a mutated file, itself often malformed."""
    request: dict[str, Any] = {
        "method": "POST",
        "url": chance.choice(_PATHS),
        "params": chance.choice(
            ({}, {"capture": "fast"}, {"faces": "all"}, {"include": "landmarks,overlay"}, {"crop": "x"})
        ),
        "headers": {},
    }
    form = chance.randrange(6)
    if request["url"] == "/v1/score/batch":
        request["files"] = [("images", (f"{index}.jpg", data)) for index in range(chance.randrange(1, 4))]
    elif request["url"] == "/api/analyze-face":
        request["files"] = {"front_image": data, "side_image": data}
        # It takes no parameters, and refuses any.
        request["params"] = chance.choice(({}, {}, {}, {"sex": "male"}))
    elif form == 0:
        request["json"] = {"image": base64.b64encode(data).decode()}
    elif form == 1:
        request["content"] = b'{"image": "' + data[: chance.randrange(200)]
        request["headers"]["Content-Type"] = "application/json"
    elif form == 2:
        request["content"] = data
        request["headers"]["Content-Type"] = chance.choice(
            (
                "multipart/form-data",
                "multipart/form-data; boundary=",
                f"multipart/form-data; boundary={'b' * 300}",
                "a/b",
                "",
            )
        )
    elif form == 3:
        request["files"] = {"image": data}
    else:
        request["content"] = data
        request["headers"]["Content-Type"] = chance.choice(("image/jpeg", "image/png", "IMAGE/WEBP; q=1", "image/x"))
    if chance.random() < 0.1:
        request["headers"]["X-Request-Timeout"] = chance.choice(("0", "-1", "1e9", "nan", "5", b"\xb2"))
    if chance.random() < 0.05:
        request["headers"]["Content-Length"] = chance.choice(("0", "5", "99999999999999999999", "-1", b"\xb2"))
    return request


@contextlib.contextmanager
def lone_gateway(log: Path) -> Iterator[tuple[str, int]]:
    """A gateway without Triton, which answers with geometry alone: its address and process id."""
    (port,) = free_ports(1)
    settings = {
        "FACESTATS_TRITON_URLS": "127.0.0.1:1",
        "FACESTATS_DEGRADE": "geometric",
        "FACESTATS_LOG_LEVEL": "error",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "facestats_cli", "gateway", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | settings,
        )
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + START_TIMEOUT
    try:
        while not is_ready(url):
            if process.poll() is not None or time.monotonic() > end:
                raise StackError(f"The gateway did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(60)


def run_schemathesis(url: str, examples: int, seed: int) -> bool:
    """Tests every route of a running gateway against its own OpenAPI document; whether nothing was found."""
    command = [
        *(str(Path(sys.executable).with_name("st")), "run", f"{url}/openapi.json", "--max-examples", str(examples)),
        *("--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"),
        *("--phases", "examples,coverage,fuzzing", "--request-timeout", "60", "--seed", str(seed)),
        *("--generation-database", "none", "--continue-on-failure"),
    ]
    return subprocess.run(command, check=False).returncode == 0


def fuzz_contract(examples: int, seed: int) -> list[Check]:
    """Schemathesis on a gateway of its own, whose memory is watched."""
    with tempfile.TemporaryDirectory() as folder, lone_gateway(Path(folder) / "gateway.log") as (url, pid):
        # The first tenth fills arenas and caches.
        good = run_schemathesis(url, max(5, examples // 10), seed + 1)
        before = resident_mb([pid])
        good &= run_schemathesis(url, examples, seed)
        after = resident_mb([pid])
    growth = after / before - 1
    return [
        Check("contract, Schemathesis", f"{examples} examples for each operation", good),
        Check("contract, memory", f"{before:.0f} -> {after:.0f} MB ({growth:+.1%})", growth <= ALLOWED_GROWTH),
    ]


def checks_of(part: str, outcomes: Counter[Any], memory: Memory) -> list[Check]:
    """What must hold for one part."""
    failed = sum(count for status, count in outcomes.items() if isinstance(status, int) and status >= 500)
    seen = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
    return [
        Check(f"{part}, {outcomes.total()} mutants", seen, failed == 0),
        Check(
            f"{part}, memory",
            f"{memory.before:.0f} -> {memory.after:.0f} MB ({memory.growth:+.1%})",
            memory.growth <= ALLOWED_GROWTH,
        ),
    ]


def main() -> int:
    """Runs the parts; exit code 1 when one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000, help="Mutated files for the decoder.")
    parser.add_argument("--requests", type=int, default=5_000, help="Mutated requests for the whole app.")
    parser.add_argument("--examples", type=int, default=500, help="Schemathesis' examples for each operation; 0: none.")
    parser.add_argument("--seed", type=int, default=0)
    add_output_option(parser)
    arguments = parser.parse_args()
    configure_logging("error", "json")
    checks = checks_of("decoder", *fuzz_decoder(arguments.images, arguments.seed))
    checks += checks_of("app", *asyncio.run(fuzz_app(arguments.requests, arguments.seed)))
    if arguments.examples:
        checks += fuzz_contract(arguments.examples, arguments.seed)
    figures = {"images": arguments.images, "requests": arguments.requests, "seed": arguments.seed}
    return conclude("make fuzz", checks, figures, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
