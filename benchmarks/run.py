"""One benchmark run: every subject once a round, so that all see the same weather."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.gateway_load import GatewayLoad
from benchmarks.in_process import GatewayParts, OnnxRuntime, ReplacedBackend
from benchmarks.measurement import Sample
from benchmarks.memory import gateway_memory
from benchmarks.ratios import BASELINE, GATEWAY_MEMORY, parts_cpu_ms
from benchmarks.stacks import Stack
from benchmarks.triton_load import TritonLoad
from benchmarks.workload import Workload
from facestats.geometry import CaptureMode

BATCHES = (1, 4, 8, 16)
CAPTURES: tuple[CaptureMode, ...] = ("stable", "fast")
OVERLOAD = 1.1
"""Arrival rate at full load over what can be served, as far as is known."""

LOAD_SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)
"""Arrival rates of the throughput-latency curve, as shares of what the parts allow."""


@dataclass(frozen=True)
class Plan:
    """How long and how much is measured.

    Attributes:
        rounds: How often everything is measured.
        seconds: Length of one measurement.
        concurrencies: Of ``perf_analyzer`` over gRPC with ``PIXELS``.
        every_protocol: Whether HTTP and ``IMAGE`` are measured too.
        curve: Whether the throughput-latency curve is measured.
    """

    rounds: int = 3
    seconds: float = 4.0
    concurrencies: tuple[int, ...] = (1, 4, 8, 16, 32, 64)
    every_protocol: bool = True
    curve: bool = True


QUICK = Plan(rounds=3, seconds=3.0, concurrencies=(32, 64), every_protocol=False, curve=False)
"""Enough for the ratios."""


@dataclass(frozen=True)
class Served:
    """A precision that is being served.

    Attributes:
        precision: fp32, fp16 or int8.
        stack: Where.
        model: Its ``model.onnx`` of ``clip_image_encoder``; ``None`` when only the server has it.
        intra_op_threads: Threads of one instance.
        instances: Instances of the model.
    """

    precision: str
    stack: Stack
    model: Path | None
    intra_op_threads: int
    instances: int


class Benchmark:
    """All subjects, loaded and ready.

    Args:
        served: What is served; every precision once.
        workload: The photo.
        plan: How much to measure.
        folder: Where input files and logs may be written.
        progress: Told of each subject before it is measured.
    """

    def __init__(
        self,
        served: list[Served],
        workload: Workload,
        plan: Plan,
        folder: Path,
        progress: Callable[[str], None],
    ) -> None:
        self._plan, self._progress, self._workload = plan, progress, workload
        self._served, self._folder = served, folder
        self._cores = len(os.sched_getaffinity(0))
        self._inputs: Mapping[str, Path] = workload.write_perf_analyzer_inputs(folder)
        self._parts = GatewayParts(workload)
        self._baseline = ReplacedBackend(workload)
        self._onnx = {
            each.precision: OnnxRuntime(each.model, each.intra_op_threads, each.instances)
            for each in served
            if each.model is not None
        }

    def rounds(self) -> list[dict[str, Sample]]:
        """Measures everything ``plan.rounds`` times."""
        return [self._round(number) for number in range(1, self._plan.rounds + 1)]

    def _round(self, number: int) -> dict[str, Sample]:
        samples: dict[str, Sample] = {}
        for name, sample in self._subjects(samples):
            samples[name] = sample
            self._progress(f"round {number}: {name}: {sample.images_per_second:.1f} images/s")
        return samples

    def _subjects(self, samples: dict[str, Sample]) -> Iterator[tuple[str, Sample]]:
        seconds = self._plan.seconds
        yield BASELINE, self._baseline.measure(seconds)
        yield from ((f"part {name}", sample) for name, sample in self._parts.measure(seconds / 8).items())
        yield from ((f"part {name}", sample) for name, sample in self._parts.measure_phone_photo(seconds / 4).items())
        for precision, session in self._onnx.items():
            for size in BATCHES:
                yield (
                    f"onnxruntime {precision} batch {size}",
                    session.measure(self._workload.batch(size), seconds / 2),
                )
            for capture in CAPTURES:
                yield f"parts in turn {precision} {capture}", self._parts.measure_in_turn(capture, session, seconds / 2)
        for served in self._served:
            yield from self._triton(served)
        for served in self._served:
            yield from self._gateway(served, samples)
        yield GATEWAY_MEMORY, gateway_memory(self._served[0].stack, self._workload, self._folder / "gateway.log")

    def _triton(self, served: Served) -> Iterator[tuple[str, Sample]]:
        stack, precision = served.stack, served.precision
        load = TritonLoad(stack.grpc, stack.http, stack.triton, self._inputs)
        seconds = self._plan.seconds
        for concurrency in self._plan.concurrencies:
            yield (
                f"triton {precision} grpc PIXELS concurrency {concurrency}",
                load.at_concurrency("PIXELS", "grpc", concurrency, seconds),
            )
        others: tuple[tuple[Literal["PIXELS", "IMAGE"], Literal["grpc", "http"]], ...]
        others = (("PIXELS", "http"), ("IMAGE", "grpc"), ("IMAGE", "http"))
        for tensor, protocol in others if self._plan.every_protocol else ():
            yield (
                f"triton {precision} {protocol} {tensor} concurrency 32",
                load.at_concurrency(tensor, protocol, 32, seconds),
            )

        if self._plan.every_protocol:
            yield f"psl {precision} concurrency 32", load.at_concurrency("IMAGE", "grpc", 32, seconds, model="psl")

    def _gateway(self, served: Served, samples: dict[str, Sample]) -> Iterator[tuple[str, Sample]]:
        stack, precision = served.stack, served.precision
        load = GatewayLoad(stack.url, stack.everything, self._workload)
        for capture in CAPTURES:
            query = f"capture={capture}"
            yield f"gateway {precision} {capture} one at a time", load.one_at_a_time(self._plan.seconds, query)
            allowed = self._allowed(samples, precision, capture)
            yield f"gateway {precision} {capture} full load", self._full_load(load, allowed, query)
        for share in LOAD_SHARES if self._plan.curve else ():
            rate = self._allowed(samples, precision, "stable") * share
            yield f"gateway {precision} stable at {share:.0%}", load.at_rate(rate, 2 * self._plan.seconds, "")

    def _full_load(self, load: GatewayLoad, allowed: float, query: str) -> Sample:
        """The most that is answered: first beyond what can be, then just above what that found.

        Far beyond it, refusing costs the service and the load generator a good part of the machine.
        """
        seconds = 2 * self._plan.seconds
        first = load.at_rate(allowed * OVERLOAD, seconds, query)
        second = load.at_rate(first.images_per_second * OVERLOAD, seconds, query)
        return max(first, second, key=lambda sample: sample.images_per_second)

    def _allowed(self, samples: dict[str, Sample], precision: str, capture: str) -> float:
        """Images a second that the parts allow; for a server elsewhere, what its latency and our cores suggest."""
        if precision in self._onnx:
            return self._cores * 1e3 / parts_cpu_ms(samples, precision, capture)
        return 2.0 * samples[f"gateway {precision} {capture} one at a time"].images_per_second
