"""One benchmark run: every subject once a round, so that all see the same weather."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import httpx

from benchmarks.closed_loop import closed_loop
from benchmarks.gateway_load import GatewayLoad, post_photo
from benchmarks.in_process import ClipEngine, GatewayParts, OnnxRuntime, OpenVino, ReplacedBackend
from benchmarks.matrix_rate import matrix_rates
from benchmarks.measurement import Sample
from benchmarks.memory import gateway_memory
from benchmarks.peers.litserve_peer import LitServePeer
from benchmarks.ratios import BASELINE, GATEWAY_MEMORY, START, peer_name
from benchmarks.stacks import Stack, StartedStack
from benchmarks.triton_load import TritonLoad
from benchmarks.workload import Workload
from facestats.geometry import CaptureMode
from facestats.holistic.triton import channel_arguments
from facestats.landmarks.engines import choose_graphs, engines_of
from facestats.models.repository import ENCODER

BATCHES = (1, 8, 16, 32)
_PSL_SECONDS = 8.0
"""Least length of a measurement of ``psl``, seconds."""

IN_FLIGHT = (1, 16, 64)
"""Requests in flight of the closed loops; 16 is the typical case."""

_TYPICAL_SECONDS = 10.0
"""Least length of a closed loop with 16 in flight: LitServe answers 16 photos at a time, so that in a window of three
seconds its figure is known to 5 photos/s."""

CAPTURES: tuple[CaptureMode, ...] = ("stable", "fast")

LOAD_SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)
"""Arrival rates of the throughput-latency curve, as shares of what 64 requests in flight reach."""

PEERS = ((False, 1), (True, 1), (False, 3), (True, 3))
"""LitServe's variants: CLIP under bfloat16, Face Mesh runs a photo."""


@dataclass(frozen=True)
class Plan:
    """How long and how much is measured.

    Attributes:
        rounds: How often everything is measured.
        seconds: Length of one measurement.
        concurrencies: Of ``perf_analyzer`` over gRPC with ``PIXELS``.
        every_protocol: Whether HTTP and ``IMAGE`` are measured too.
        curve: Whether the throughput-latency curve is measured.
        peers: Whether LitServe is measured too (`make bench-peers`).
    """

    rounds: int = 3
    seconds: float = 4.0
    concurrencies: tuple[int, ...] = (1, 4, 8, 16, 32, 64)
    every_protocol: bool = True
    curve: bool = True
    peers: bool = True


QUICK = Plan(concurrencies=(32, 64), every_protocol=False, curve=False)
"""Enough for the ratios."""


@dataclass(frozen=True)
class Served:
    """A precision that is being served.

    Attributes:
        precision: fp32, bf16, fp16 or int8.
        backend: What runs CLIP: ``onnxruntime`` or ``openvino``.
        repository: The model repository; ``None`` for a server elsewhere.
        stack: Where.
        model: Its ``model.onnx`` of ``clip_image_encoder``; ``None`` when only the server has it.
        intra_op_threads: Threads of one instance.
        instances: Instances of the model.
    """

    precision: str
    backend: str
    repository: Path | None
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
        networks = next((each.repository for each in served if each.repository is not None), None)
        graphs = None if networks is None else choose_graphs("auto", networks)
        self._parts = GatewayParts(workload, engines_of(graphs, 1))
        self._baseline = ReplacedBackend(workload)
        self._clip = {each.precision: _clip_engine(each, each.model) for each in served if each.model is not None}

    def rounds(self) -> list[dict[str, Sample]]:
        """Measures everything ``plan.rounds`` times."""
        return [self._round(number) for number in range(1, self._plan.rounds + 1)]

    def _round(self, number: int) -> dict[str, Sample]:
        samples: dict[str, Sample] = {}
        for name, sample in self._subjects():
            samples[name] = sample
            self._progress(f"round {number}: {name}: {sample.images_per_second:.1f} images/s")
        return samples

    def _subjects(self) -> Iterator[tuple[str, Sample]]:
        seconds = self._plan.seconds
        yield BASELINE, self._baseline.measure(seconds)
        yield from ((f"matrix {name}", sample) for name, sample in matrix_rates(seconds / 8).items())
        yield from ((f"part {name}", sample) for name, sample in self._parts.measure(seconds / 8).items())
        yield from ((f"part {name}", sample) for name, sample in self._parts.measure_phone_photo(seconds / 4).items())
        for precision, engine in self._clip.items():
            for size in BATCHES:
                yield f"engine {precision} batch {size}", engine.measure(self._workload.batch(size), seconds / 2)
            for capture in CAPTURES:
                yield f"parts in turn {precision} {capture}", self._parts.measure_in_turn(capture, engine, seconds / 2)
        for served in self._served:
            yield from self._triton(served)
        for served in self._served:
            yield from self._gateway(served)
        if self._plan.peers:
            yield from self._peers()
        yield GATEWAY_MEMORY, gateway_memory(self._served[0].stack, self._workload, self._folder / "gateway.log")
        repository = self._served[0].repository
        if repository is not None:
            yield START, time_to_first_score(repository, self._workload, self._folder / "start.log")

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

        # perf_analyzer counts requests that begin and end in one of its windows: those must outlast 16 whole photos.
        long_enough = max(seconds, _PSL_SECONDS)
        yield f"psl {precision} concurrency 16", load.at_concurrency("IMAGE", "grpc", 16, long_enough, model="psl")

    def _gateway(self, served: Served) -> Iterator[tuple[str, Sample]]:
        stack, precision, seconds = served.stack, served.precision, self._plan.seconds
        most = 0.0
        for capture in CAPTURES:
            url = f"{stack.url}/v1/score?capture={capture}"
            for in_flight in IN_FLIGHT:
                before = clip_batches(stack.grpc)
                sample = closed_loop(
                    url,
                    self._workload.path,
                    in_flight,
                    self._length(in_flight),
                    stack.everything,
                    gateway=stack.gateway,
                )
                name = f"gateway {precision} {capture} {in_flight} in flight"
                yield name, sample
                if sample.gateway_cpu_ms is not None:
                    yield f"{name}, its own process", replace(sample, cpu_ms=sample.gateway_cpu_ms)
                yield f"{name}, photos in a CLIP batch", replace(sample, batch=clip_batches(stack.grpc).since(before))
                most = max(most, sample.images_per_second) if capture == "stable" else most
        load = GatewayLoad(stack.url, stack.everything, self._workload)
        for share in LOAD_SHARES if self._plan.curve else ():
            yield f"gateway {precision} stable at {share:.0%}", load.at_rate(most * share, 2 * seconds, "")

    def _length(self, in_flight: int) -> float:
        return max(self._plan.seconds, _TYPICAL_SECONDS) if in_flight == 16 else self._plan.seconds

    def _peers(self) -> Iterator[tuple[str, Sample]]:
        for bf16, mesh_runs in PEERS:
            with LitServePeer(bf16=bf16, mesh_runs=mesh_runs) as peer:
                body = peer.write_body(self._workload.path, self._folder)
                for in_flight in IN_FLIGHT if mesh_runs == 1 else (16,):
                    yield (
                        peer_name("bf16" if bf16 else "fp32", mesh_runs, in_flight),
                        closed_loop(
                            peer.url, body, in_flight, self._length(in_flight), peer.processes, "application/json"
                        ),
                    )


def _clip_engine(served: Served, model: Path) -> ClipEngine:
    if served.backend == "openvino":
        threads = served.intra_op_threads * served.instances
        return OpenVino(model, bf16=served.precision == "bf16", threads=threads)
    return OnnxRuntime(model, served.intra_op_threads, served.instances)


@dataclass(frozen=True)
class ClipBatches:
    """What Triton's CLIP has computed so far.

    Attributes:
        images: Images.
        executions: Batches.
    """

    images: int
    executions: int

    def since(self, before: ClipBatches) -> float | None:
        """Mean batch size since an earlier look; ``None`` without a batch."""
        executions = self.executions - before.executions
        return (self.images - before.images) / executions if executions else None


def clip_batches(grpc: str) -> ClipBatches:
    """Asks a Triton for its statistics."""
    from tritonclient.grpc import InferenceServerClient

    with InferenceServerClient(grpc, channel_args=channel_arguments()) as client:
        models = client.get_inference_statistics(ENCODER).model_stats
    return ClipBatches(
        sum(int(model.inference_count) for model in models), sum(int(model.execution_count) for model in models)
    )


def time_to_first_score(repository: Path, workload: Workload, log: Path) -> Sample:
    """From the command to the first answered photo, with exported models."""
    start = time.perf_counter()
    with StartedStack(repository, log) as stack, httpx.Client(base_url=stack.url, trust_env=False) as client:
        post_photo(client, workload.data, "")
        seconds = time.perf_counter() - start
    return Sample(1 / seconds, *([seconds * 1e3] * 3))
