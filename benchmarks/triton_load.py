"""Triton under ``perf_analyzer``: closed loops of a fixed concurrency over gRPC or HTTP."""

from __future__ import annotations

import csv
import io
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


BATCH_OUTPUT_BYTES = 65536
"""Room an image for each output in shared memory; the largest is the face detector's BOXES with 57,344 bytes."""

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
    ) -> Sample:
        """Keeps ``concurrency`` requests of one image in flight for three windows of ``seconds`` / 3.

        Args:
            tensor: The model's input.
            protocol: How it is asked.
            concurrency: Requests in flight.
            seconds: For how long.
            shared_memory: Whether tensors go through system shared memory instead of the messages.
            model: The model, if it is not the ensemble that takes this tensor.

        Raises:
            PerfAnalyzerError: perf_analyzer failed.
        """
        model = model or MODELS[tensor]
        before = self.inferences(model)
        with tempfile.TemporaryDirectory() as folder, self.processes.watch() as watch:
            report = Path(folder) / "requests.json"
            shared = ("--shared-memory", shared_memory, "--output-shared-memory-size", str(OUTPUT_BYTES))
            # Stable by decree: the rounds show how steady the figures are.
            single = ("-s", "999", "-r", str(2 * WINDOWS), "--profile-export-file", str(report))
            self._perf_analyzer(report, model, tensor, protocol, concurrency, seconds, *shared, *single)
            spans = request_spans(report.read_bytes())
        served = self.inferences(model) - before
        p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(spans[:, 1] - spans[:, 0], [50, 95, 99]))
        return Sample(
            images_per_second(spans[:, 1]),
            *(p50, p95, p99),
            cpu_ms=watch.cpu_seconds / served * 1e3,
            memory_mb=watch.memory_mb,
        )

    def of_batches(self, model: str, batch: int, concurrency: int, seconds: float) -> Sample:
        """Keeps requests of many images in flight; gRPC carries the requests, shared memory the tensors.

        The figures are perf_analyzer's own: its file of single requests would hold every output of every image.

        Args:
            model: Takes ``PIXELS``.
            batch: Images of one request.
            concurrency: Requests in flight.
            seconds: For how long.

        Raises:
            PerfAnalyzerError: perf_analyzer failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "summary.csv"
            size = str(batch * BATCH_OUTPUT_BYTES)
            shared = ("--shared-memory", "system", "--output-shared-memory-size", size)
            options = ("-b", str(batch), "-s", "999", "-f", str(report), "--verbose-csv")
            self._perf_analyzer(report, model, "PIXELS", "grpc", concurrency, seconds, *options, *shared)
            return summary(report.read_text())

    def _perf_analyzer(
        self, report: Path, model: str, tensor: str, protocol: str, concurrency: int, seconds: float, *options: str
    ) -> None:
        finished = run_perf_analyzer(
            [
                *("-m", model, "-i", protocol, "-u", self.grpc if protocol == "grpc" else self.http),
                *("--input-data", str(self.inputs[tensor]), "--concurrency-range", str(concurrency)),
                *("--measurement-interval", str(round(seconds * 1e3 / WINDOWS)), *options),
            ]
        )
        if finished.returncode != 0 or not report.is_file():
            raise PerfAnalyzerError(f"perf_analyzer failed: {(finished.stderr or finished.stdout).strip()[-500:]}")

    def inferences(self, model: str) -> int:
        """Images a model has answered since Triton started."""
        from tritonclient.grpc import InferenceServerClient

        with InferenceServerClient(self.grpc, channel_args=channel_arguments()) as client:
            statistics = client.get_inference_statistics(model).model_stats
        return sum(int(version.inference_count) for version in statistics)


def summary(report: str) -> Sample:
    """perf_analyzer's table of one concurrency: a line of names, a line of figures.

    Raises:
        PerfAnalyzerError: It is not such a table.
    """
    figures = next(csv.DictReader(io.StringIO(report)), {})
    try:
        rate, *latencies = (
            float(figures[name]) for name in ("Inferences/Second", "p50 latency", "p95 latency", "p99 latency")
        )
    except (KeyError, ValueError):
        raise PerfAnalyzerError(f"perf_analyzer's table lacks its figures: {report[:200]!r}") from None
    return Sample(rate, *(microseconds / 1e3 for microseconds in latencies))


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
