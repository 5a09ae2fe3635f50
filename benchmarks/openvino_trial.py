"""OpenVINO against ONNX Runtime on the same graphs: speed and drift, interleaved (``make bench-openvino``).

Runs in an environment of its own, which has OpenVINO; the service has not, see ``docs/performance.md``.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.markdown import markdown_table
from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.photos import parity_files

CACHE = Path(__file__).parent / "cache"
"""Where ``facestats bench`` keeps its exports."""

BATCHES = (1, 8, 16)
ROUNDS, SECONDS = 5, 1.0

Encoder = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def with_onnx_runtime(model: Path, threads: int) -> Encoder:
    """The image tower as the container-free Triton runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["EMBEDDING"], {"PIXELS": pixels})[0]


def with_openvino(model: Path, threads: int, precision: str) -> Encoder:
    """The image tower in OpenVINO, computed in ``f32``, ``bf16`` or ``f16``."""
    import openvino

    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda pixels: request.infer({"PIXELS": pixels})[compiled.output(0)].copy()


def scores(head: onnxruntime.InferenceSession, encode: Encoder, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[N] points for [N, 224, 224, 3] pixels."""
    embedding = np.concatenate([encode(pixels[start : start + 8]) for start in range(0, len(pixels), 8)])
    score: NDArray[np.float32] = head.run(["SCORE"], {"EMBEDDING": embedding})[0][:, 0]
    return score


def images_per_second(encode: Encoder, batch: NDArray[np.uint8]) -> float:
    """Images a second at this batch size, warmed up."""
    encode(batch)
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        encode(batch)
        images += len(batch)
    return images / (time.perf_counter() - start)


def model_of(precision: str, name: str) -> Path:
    """The newest exported graph of a model."""
    return max((CACHE / precision / name).glob("*/model.onnx"), key=lambda path: int(path.parent.name))


def main() -> None:
    """Prints one row an engine: drift against fp32 and images a second at each batch size, medians."""
    threads = len(os.sched_getaffinity(0))
    fp32, int8 = (model_of(precision, "clip_image_encoder") for precision in ("fp32", "int8"))
    engines = {
        "ONNX Runtime fp32": with_onnx_runtime(fp32, threads),
        "ONNX Runtime int8": with_onnx_runtime(int8, threads),
        **{f"OpenVINO {precision}": with_openvino(fp32, threads, precision) for precision in ("f32", "bf16", "f16")},
    }
    head = onnxruntime.InferenceSession(model_of("fp32", "attractiveness_regressor"))
    pixels = np.stack([clip_pixels(decode_image(data)) for data in parity_files(None)])
    reference = scores(head, engines["ONNX Runtime fp32"], pixels)
    drift = {name: np.abs(scores(head, encode, pixels) - reference) for name, encode in engines.items()}
    speeds: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for name, encode in engines.items():
            for size in BATCHES:
                speeds.setdefault((name, size), []).append(images_per_second(encode, pixels[:size]))
    heading = ("engine", "worst drift, points", "mean drift", *(f"images/s, batch {size}" for size in BATCHES))
    rows = [
        (
            name,
            f"{drift[name].max():.2f}",
            f"{drift[name].mean():.2f}",
            *(f"{statistics.median(speeds[name, size]):.1f}" for size in BATCHES),
        )
        for name in engines
    ]
    print(markdown_table([heading, *rows]))


if __name__ == "__main__":
    main()
