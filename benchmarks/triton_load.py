"""Triton under ``perf_analyzer``: closed loops of a fixed concurrency over gRPC or HTTP."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import Sample
from benchmarks.process_tree import ProcessTree
from facestats.holistic.triton import channel_arguments
from facestats_local_triton.perf_analyzer import run_perf_analyzer

MODELS = {"PIXELS": "attractiveness", "IMAGE": "attractiveness_image"}
"""Input tensor to the ensemble that takes it."""

WINDOWS = 3
"""perf_analyzer judges, and averages, the last three of its windows."""

OUTPUT_BYTES = 65536
"""Room for each output in shared memory; the largest is psl's DOCUMENT with about 8,000 bytes."""


_REQUEST = re.compile(rb'"timestamp":(\d+),.*?"response_timestamps":\[(?:\d+,)*(\d+)\]', re.DOTALL)


class PerfAnalyzerError(RuntimeError):
    """perf_analyzer failed; the message is its own."""


@dataclass(frozen=True)
class TritonLoad:
    """Loads one Triton.

    Attributes:
        grpc: host:port.
        http: host:port.
        processes: Triton's processes, if they run on this machine.
        inputs: Input tensor to perf_analyzer's file with the real data.
    """

    grpc: str
    http: str
    processes: ProcessTree
    inputs: Mapping[str, Path]

    def at_concurrency(
        self,
        tensor: Literal["PIXELS", "IMAGE"],
        protocol: Literal["grpc", "http"],
        concurrency: int,
        seconds: float,
        shared_memory: Literal["none", "system"] = "none",
        model: str | None = None,
        batch: int = 1,
    ) -> Sample:
        """Keeps ``concurrency`` requests of ``batch`` images in flight for three windows of ``seconds`` / 3.

        Args:
            tensor: The model's input.
            protocol: How it is asked.
            concurrency: Requests in flight.
            seconds: For how long.
            shared_memory: Whether tensors go through system shared memory instead of the messages.
            model: The model, if it is not the ensemble that takes this tensor.
            batch: Images of one request.

        Raises:
            PerfAnalyzerError: perf_analyzer failed.
        """
        model = model or MODELS[tensor]
        before = self.inferences(model)
        with tempfile.TemporaryDirectory() as folder, self.processes.watch() as watch:
            report = Path(folder) / "requests.json"
            finished = run_perf_analyzer(
                [
                    *("-m", model, "-i", protocol, "-u", self.grpc if protocol == "grpc" else self.http),
                    *("--input-data", str(self.inputs[tensor]), "-b", str(batch)),
                    *("--concurrency-range", str(concurrency), "--profile-export-file", str(report)),
                    # Stable by decree: the rounds show how steady the figures are.
                    *("--measurement-interval", str(round(seconds * 1e3 / WINDOWS))),
                    *("-s", "999", "-r", str(2 * WINDOWS)),
                    *("--shared-memory", shared_memory, "--output-shared-memory-size", str(OUTPUT_BYTES)),
                ]
            )
            if finished.returncode != 0 or not report.is_file():
                raise PerfAnalyzerError(f"perf_analyzer failed: {(finished.stderr or finished.stdout).strip()[-500:]}")
            spans = request_spans(report.read_bytes())
        served = self.inferences(model) - before
        p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(spans[:, 1] - spans[:, 0], [50, 95, 99]))
        return Sample(
            batch * images_per_second(spans[:, 1]),
            *(p50, p95, p99),
            cpu_ms=watch.cpu_seconds / served * 1e3,
            memory_mb=watch.memory_mb,
        )

    def inferences(self, model: str) -> int:
        """Images a model has answered since Triton started."""
        from tritonclient.grpc import InferenceServerClient

        with InferenceServerClient(self.grpc, channel_args=channel_arguments()) as client:
            statistics = client.get_inference_statistics(model).model_stats
        return sum(int(version.inference_count) for version in statistics)


def request_spans(profile: bytes) -> NDArray[np.float64]:
    """[N, 2] seconds: when each request of perf_analyzer's profile was sent and answered.

    The profile would be JSON, but image files stand in it as they are, so the times are picked out.
    """
    nanoseconds = [(int(sent), int(answered)) for sent, answered in _REQUEST.findall(profile)]
    if not nanoseconds:
        raise PerfAnalyzerError("perf_analyzer's profile holds no request.")
    spans: NDArray[np.float64] = (np.array(nanoseconds) - min(sent for sent, _ in nanoseconds)) / 1e9
    return spans


def images_per_second(answered: NDArray[np.float64]) -> float:
    """The rate of answers: the slope of their count over time.

    Answers come in bursts, a batch at a time; counted in windows, as perf_analyzer does, a burst more or less at the
    edges is a tenth of the figure.

    Args:
        answered: [N] when each answer came, seconds.

    Raises:
        PerfAnalyzerError: There are too few to tell.
    """
    if len(answered) < 3:
        raise PerfAnalyzerError(f"perf_analyzer got {len(answered)} answers, too few to tell a rate.")
    return float(np.polyfit(np.sort(answered), np.arange(len(answered)), 1)[0])
