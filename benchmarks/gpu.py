"""What a GPU makes of it, as one command for whoever has a card: ``make bench-gpu``.

For each GPU target: `attractiveness` and the two face networks by batch size, `psl` and the gateway in both scoring
modes under full load, the share of the card's own matrix rate, and the CPU cores that one card keeps busy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.exports import CACHE, ExportFailedError
from benchmarks.gateways import StartedGateway
from benchmarks.markdown import markdown_table
from benchmarks.matrix_rate import TOWER_GFLOP
from benchmarks.measurement import Sample
from benchmarks.process_tree import ProcessTree
from benchmarks.stacks import Stack, StartedStack
from benchmarks.triton_load import TritonLoad
from benchmarks.whole_job import PHOTO, gateway
from benchmarks.workload import Workload, write_perf_analyzer_input

TARGETS = {"tensorrt": "fp16", "cuda": "fp16"}
"""Export target to the precision that it is measured at."""

BATCHES = (1, 2, 4, 8, 16, 32)
"""Up to the models' largest batch."""

FACE_NETWORKS = {"face_detector": 128, "face_mesh": 192}
"""Model to the side of its input, pixels."""

_CONCURRENCY, _PHOTOS = 4, 64
"""Batches in flight on a network, and photos in flight on `psl` and the gateways."""

_MATRIX_SIDE, _MATRIX_SECONDS = 8192, 3.0


class NoGpuError(RuntimeError):
    """There is no GPU to measure; one sentence."""


def card() -> str:
    """Name and driver of the first GPU.

    Raises:
        NoGpuError: There is none.
    """
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoGpuError(f"This benchmark needs an NVIDIA GPU and its driver; nvidia-smi says: {error}.") from None
    return found.stdout.splitlines()[0]


def matrix_rate() -> float | None:
    """Half-precision operations a second of a large matrix product; ``None`` where PyTorch has no CUDA."""
    import torch

    if not torch.cuda.is_available():
        return None
    left = torch.randn(_MATRIX_SIDE, _MATRIX_SIDE, dtype=torch.float16, device="cuda")
    left @ left
    torch.cuda.synchronize()
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < _MATRIX_SECONDS:
        left @ left
        torch.cuda.synchronize()
        products += 1
    return products * 2.0 * _MATRIX_SIDE**3 / (time.perf_counter() - start)


def exported(target: str, precision: str) -> Path:
    """The export for a GPU target.

    Raises:
        ExportFailedError: The export refused.
    """
    repository = CACHE / f"{target}-{precision}"
    export = [sys.executable, "-m", "facestats_cli", "export", "--target", target, "--precision", precision]
    if subprocess.run([*export, "--output", str(repository)], check=False).returncode != 0:
        raise ExportFailedError(f"the export for {target} failed, see its message above.")
    return repository


def networks(stack: Stack, folder: Path, seconds: float) -> Iterator[tuple[str, int, Sample]]:
    """Model, batch size and sample of CLIP with the regressor and of the face networks."""
    workload = Workload(PHOTO)
    inputs = workload.write_perf_analyzer_inputs(folder)
    for model in ("attractiveness", *FACE_NETWORKS):
        pixels = inputs["PIXELS"]
        if model in FACE_NETWORKS:
            side = FACE_NETWORKS[model]
            pixels = write_perf_analyzer_input(folder / f"{model}.json", "PIXELS", workload.rgb[:side, :side])
        load = TritonLoad(stack.grpc, stack.http, stack.triton, {"PIXELS": pixels})
        for batch in BATCHES:
            sample = load.at_concurrency("PIXELS", "grpc", _CONCURRENCY, seconds, model=model, batch=batch)
            yield model, batch, sample


def whole_job(stack: Stack, door: StartedGateway, folder: Path, seconds: float) -> Iterator[tuple[str, Sample]]:
    """Way and sample of whole photos."""
    workload = Workload(PHOTO)
    load = TritonLoad(stack.grpc, stack.http, stack.triton, workload.write_perf_analyzer_inputs(folder))
    yield "psl", load.at_concurrency("IMAGE", "grpc", _PHOTOS, seconds, model="psl")
    through_door = ProcessTree([door.pid, *stack.triton.pids])
    yield "gateway, scoring in Triton", gateway(door.url, _PHOTOS, seconds, through_door)
    yield "gateway, scoring itself", gateway(stack.url, _PHOTOS, seconds, stack.everything)


def report(target: str, seconds: float, rate: float | None) -> str:
    """Both tables of one target."""
    repository = exported(target, TARGETS[target])
    with tempfile.TemporaryDirectory() as name, StartedStack(repository, Path(name) / "stack.log") as stack:
        folder = Path(name)
        settings = {"FACESTATS_SCORING": "triton", "FACESTATS_TRITON_URLS": stack.grpc}
        rows: list[tuple[str, ...]] = [("model", "batch", "images/s", "p50 ms", "share of the matrix rate")]
        for model, batch, sample in networks(stack, folder, seconds):
            share = ""
            if rate is not None and model not in FACE_NETWORKS:
                share = f"{sample.images_per_second * TOWER_GFLOP * 1e9 / rate:.0%}"
            rows.append((model, str(batch), f"{sample.images_per_second:.0f}", f"{sample.p50:.1f}", share))
        whole: list[tuple[str, ...]] = [("whole photos", "photos/s", "p50 ms", "CPU ms a photo", "CPU cores kept busy")]
        with StartedGateway(settings, folder / "door.log") as door:
            for way, sample in whole_job(stack, door, folder, seconds):
                cpu = sample.cpu_ms if sample.cpu_ms is not None else float(np.nan)
                cores = cpu * sample.images_per_second / 1e3
                figures = sample.images_per_second, sample.p50, cpu, cores
                whole.append((way, *(f"{figure:.1f}" for figure in figures)))
    return f"## {target}, {TARGETS[target]}\n\n{markdown_table(rows)}\n{markdown_table(whole)}"


def main() -> None:
    """Measures each target and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    given = parser.parse_args()
    try:
        print(f"{card()}\n")
    except NoGpuError as error:
        sys.exit(str(error))
    rate = matrix_rate()
    print(
        "matrix rate: unknown (PyTorch has no CUDA here)"
        if rate is None
        else f"matrix rate: {rate / 1e12:.0f} T/s, fp16"
    )
    for target in TARGETS:
        print(report(target, given.seconds, rate), flush=True)


if __name__ == "__main__":
    main()
