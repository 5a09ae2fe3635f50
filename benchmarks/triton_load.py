"""Triton under ``perf_analyzer``: closed loops of a fixed concurrency over gRPC or HTTP."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.measurement import Sample
from benchmarks.process_tree import ProcessTree
from local_triton.perf_analyzer import run_perf_analyzer

MODELS = {"PIXELS": "attractiveness", "IMAGE": "attractiveness_image"}
"""Input tensor to the ensemble that takes it."""

WINDOWS = 3
"""perf_analyzer judges, and averages, the last three of its windows."""

OUTPUT_BYTES = 4096
"""Room for each output in shared memory; the largest is EMBEDDING with 2,048 bytes."""


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
    ) -> Sample:
        """Keeps ``concurrency`` single-image requests in flight for three windows of ``seconds`` / 3.

        Args:
            tensor: The ensemble's input.
            protocol: How it is asked.
            concurrency: Requests in flight.
            seconds: For how long.
            shared_memory: Whether tensors go through system shared memory instead of the messages.

        Raises:
            PerfAnalyzerError: perf_analyzer failed.
        """
        before = self.inferences(tensor)
        with tempfile.TemporaryDirectory() as folder, self.processes.watch() as watch:
            report = Path(folder) / "report.csv"
            finished = run_perf_analyzer(
                [
                    *("-m", MODELS[tensor], "-i", protocol, "-u", self.grpc if protocol == "grpc" else self.http),
                    *("--input-data", str(self.inputs[tensor]), "-b", "1"),
                    *("--concurrency-range", str(concurrency), "--percentile", "99", "-f", str(report)),
                    # Stable by decree: the rounds show how steady the figures are. --request-count would round time.
                    *("--measurement-interval", str(round(seconds * 1e3 / WINDOWS))),
                    *("-s", "999", "-r", str(2 * WINDOWS)),
                    *("--shared-memory", shared_memory, "--output-shared-memory-size", str(OUTPUT_BYTES)),
                ]
            )
            if finished.returncode != 0 or not report.is_file():
                raise PerfAnalyzerError(f"perf_analyzer failed: {(finished.stderr or finished.stdout).strip()[-500:]}")
            row = next(csv.DictReader(report.read_text().splitlines()))
        served = self.inferences(tensor) - before
        return Sample(
            images_per_second=float(row["Inferences/Second"]),
            p50=float(row["p50 latency"]) / 1e3,
            p95=float(row["p95 latency"]) / 1e3,
            p99=float(row["p99 latency"]) / 1e3,
            cpu_ms=watch.cpu_seconds / served * 1e3,
            memory_mb=watch.memory_mb,
        )

    def inferences(self, tensor: str) -> int:
        """Images the ensemble has answered since Triton started."""
        from tritonclient.grpc import InferenceServerClient

        with InferenceServerClient(self.grpc) as client:
            statistics = client.get_inference_statistics(MODELS[tensor]).model_stats
        return sum(int(model.inference_count) for model in statistics)
