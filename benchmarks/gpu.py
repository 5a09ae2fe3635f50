"""What a GPU makes of it, as one command for whoever has a card: ``make bench-gpu``.

For each GPU target: `attractiveness` and the two face networks by batch size, `psl` and the gateway in both scoring
modes under full load, the share of the card's own matrix rate, and the CPU cores that one card keeps busy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import OrtValue

from benchmarks.exports import CACHE, ExportFailedError
from benchmarks.gateways import StartedGateway
from benchmarks.in_process import time_calls
from benchmarks.markdown import markdown_table
from benchmarks.matrix_rate import TOWER_GFLOP
from benchmarks.measurement import Sample
from benchmarks.process_tree import ProcessTree
from benchmarks.stacks import Stack, StackError, StartedStack
from benchmarks.triton_load import PerfAnalyzerError, TritonLoad
from benchmarks.whole_job import PHOTO, gateway
from benchmarks.workload import Workload, write_perf_analyzer_input
from facestats.landmarks.networks import DETECTOR, DETECTOR_SIDE, MESH, MESH_SIDE, SERVED_BATCH
from facestats.models.configuration import config_json, read_config
from facestats.models.parameters import ConfigurationError
from facestats.models.repository import CROPS_ENSEMBLE, ENCODER, config_path, live_version
from facestats.models.session_settings import SessionSettings, read_session_settings
from facestats.models.sessions import open_session

TARGETS = {"tensorrt": "fp16", "cuda": "fp16"}
"""Export target to the precision that it is measured at."""

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Up to CLIP's largest batch; the face networks' is smaller."""

FACE_NETWORKS = {DETECTOR: DETECTOR_SIDE, MESH: MESH_SIDE}
"""Model to the side of its input, pixels."""

_CONCURRENCY, _PHOTOS = 4, 64
"""Batches in flight on a network, and photos in flight on `psl` and the gateways."""

_WHOLE_SECONDS = 6.0
"""At least, of whole photos: perf_analyzer's windows are a third of it, and 64 photos must fit in."""

_MATRIX_SIDE, _MATRIX_SECONDS, _PRODUCTS = 8192, 3.0, 20
"""Twenty products in a row, so that starting them costs nothing beside them."""


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


def matrix_rate() -> float:
    """Half-precision operations a second of large matrix products, in the runtime that Triton serves the models with.

    Raises:
        ConfigurationError: ONNX Runtime has no CUDA here.
    """
    session = open_session(_products().SerializeToString(), SessionSettings(), "GPU", 0)
    binding = session.io_binding()
    factor = np.random.default_rng(0).standard_normal((_MATRIX_SIDE, _MATRIX_SIDE), np.float32)
    binding.bind_ortvalue_input("X", OrtValue.ortvalue_from_numpy(factor.astype(np.float16), "cuda", 0))
    binding.bind_output("Y", "cuda")

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return time_calls(run, _PRODUCTS, _MATRIX_SECONDS).images_per_second * 2.0 * _MATRIX_SIDE**3


def _products() -> onnx.ModelProto:
    """X times the same random matrix again and again; its scale keeps the products' entries near one."""
    random = np.random.default_rng(1).standard_normal((_MATRIX_SIDE, _MATRIX_SIDE), np.float32)
    factor = numpy_helper.from_array((random / np.sqrt(_MATRIX_SIDE)).astype(np.float16), "factor")
    names = ["X", *(f"product_{number}" for number in range(1, _PRODUCTS)), "Y"]
    nodes = [helper.make_node("MatMul", [left, "factor"], [right]) for left, right in pairwise(names)]
    square = [_MATRIX_SIDE, _MATRIX_SIDE]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT16, square) for name in ("X", "Y"))
    graph = helper.make_graph(nodes, "products", [x], [y], [factor])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


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


def in_process(repository: Path, model: str) -> Callable[[int, float], Sample]:
    """How fast the file that Triton runs is in this process, by batch size and seconds: no server around it."""
    config = read_config(config_path(repository / model))
    kind = "GPU" if config.instance_group[0].kind == config.instance_group[0].KIND_GPU else "CPU"
    path = repository / model / str(live_version(repository)) / config.default_model_filename
    session = open_session(path, read_session_settings(config_json(config)), kind, 0)
    picture = tuple(config.input[0].dims)

    def measure(batch: int, seconds: float) -> Sample:
        pixels = np.random.default_rng(0).integers(0, 256, (batch, *picture), np.uint8)
        return time_calls(lambda: session.run(None, {"PIXELS": pixels}), batch, seconds)

    return measure


def networks(stack: Stack, repository: Path, folder: Path, seconds: float) -> Iterator[tuple[str, int, Sample, Sample]]:
    """Model, batch size and samples, in this process and in Triton, of CLIP with the regressor and the face networks.

    Triton's tensors come through system shared memory: a batch of 128 is 19 MB.
    """
    workload = Workload(PHOTO)
    pixels = workload.write_perf_analyzer_inputs(folder)["PIXELS"]
    for model in (CROPS_ENSEMBLE, *FACE_NETWORKS):
        graph = in_process(repository, ENCODER if model == CROPS_ENSEMBLE else model)
        if model in FACE_NETWORKS:
            side = FACE_NETWORKS[model]
            pixels = write_perf_analyzer_input(folder / f"{model}.json", "PIXELS", workload.rgb[:side, :side])
        load = TritonLoad(stack.grpc, stack.http, stack.triton, {"PIXELS": pixels})
        for batch in BATCHES:
            if model in FACE_NETWORKS and batch > SERVED_BATCH:
                break
            yield model, batch, graph(batch, seconds), load.of_batches(model, batch, _CONCURRENCY, seconds)


def whole_job(stack: Stack, door: StartedGateway, folder: Path, seconds: float) -> Iterator[tuple[str, Sample]]:
    """Way and sample of whole photos."""
    workload = Workload(PHOTO)
    load = TritonLoad(stack.grpc, stack.http, stack.triton, workload.write_perf_analyzer_inputs(folder))
    yield "psl", load.at_concurrency("IMAGE", "grpc", _PHOTOS, seconds, model="psl")
    through_door = ProcessTree([door.pid, *stack.triton.pids])
    yield "gateway, scoring in Triton", gateway(door.url, _PHOTOS, seconds, through_door)
    yield "gateway, scoring itself", gateway(stack.url, _PHOTOS, seconds, stack.everything)


def report(target: str, seconds: float, rate: float) -> str:
    """Both tables of one target; each row is shown on stderr as it comes."""
    repository = exported(target, TARGETS[target])

    def share(model: str, sample: Sample) -> str:
        share = sample.images_per_second * TOWER_GFLOP * 1e9 / rate
        return "" if model in FACE_NETWORKS else f"{share:.0%}"

    rows: list[tuple[str, ...]] = [
        ("model", "batch", "in process, images/s", "its share", "Triton, images/s", "its share", "p50 ms")
    ]
    whole: list[tuple[str, ...]] = [("whole photos", "photos/s", "p50 ms", "CPU ms a photo", "CPU cores kept busy")]

    def add(table: list[tuple[str, ...]], *row: str) -> None:
        print(" | ".join(row), file=sys.stderr, flush=True)
        table.append(row)

    opened = ("--open-triton-api", "shared-memory")
    with (
        tempfile.TemporaryDirectory() as name,
        StartedStack(repository, Path(name) / "stack.log", arguments=opened) as stack,
    ):
        folder = Path(name)
        settings = {"FACESTATS_SCORING": "triton", "FACESTATS_TRITON_URLS": stack.grpc}
        with StartedGateway(settings, folder / "door.log") as door:
            for way, sample in whole_job(stack, door, folder, max(seconds, _WHOLE_SECONDS)):
                cpu = sample.cpu_ms if sample.cpu_ms is not None else float(np.nan)
                cores = cpu * sample.images_per_second / 1e3
                figures = sample.images_per_second, sample.p50, cpu, cores
                add(whole, way, *(f"{figure:.1f}" for figure in figures))
        for model, batch, alone, served in networks(stack, repository, folder, seconds):
            speeds = (text for one in (alone, served) for text in (f"{one.images_per_second:.0f}", share(model, one)))
            add(rows, model, str(batch), *speeds, f"{served.p50:.1f}")
    return f"## {target}, {TARGETS[target]}\n\n{markdown_table(rows)}\n\n{markdown_table(whole)}\n"


def main() -> None:
    """Measures each target and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--target", choices=TARGETS, action="append", help="one of the targets only; repeatable")
    given = parser.parse_args()
    try:
        print(f"{card()}\n")
        rate = matrix_rate()
        print(f"matrix rate: {rate / 1e12:.0f} T/s, fp16")
        for target in given.target or TARGETS:
            print(report(target, given.seconds, rate), flush=True)
    except (NoGpuError, ConfigurationError, ExportFailedError, StackError, PerfAnalyzerError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
