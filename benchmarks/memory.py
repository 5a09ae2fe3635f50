"""Resident memory of a gateway by itself."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from benchmarks.gateway_load import post_photo
from benchmarks.gateways import StartedGateway
from benchmarks.measurement import Sample
from benchmarks.process_tree import ProcessTree
from benchmarks.stacks import Stack
from benchmarks.workload import Workload

GATEWAY_THREADS = 4
_PHOTOS = 40


def gateway_memory(stack: Stack, workload: Workload, log: Path) -> Sample:
    """A gateway of four threads by itself, on a stack's Triton, after some photos of both kinds.

    Args:
        stack: Its Triton is used.
        workload: The photo.
        log: File for the gateway's output.

    Raises:
        StackError: The gateway did not start.
    """
    settings = {"FACESTATS_TRITON_URLS": stack.grpc, "FACESTATS_THREADS": str(GATEWAY_THREADS)}
    with StartedGateway(settings, log) as gateway:
        tree = ProcessTree([gateway.pid])
        with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client, tree.watch() as watch:
            start = time.perf_counter()
            for number in range(_PHOTOS):
                post_photo(client, workload.phone_photo if number % 4 == 0 else workload.data, "")
            elapsed = time.perf_counter() - start
        return _sample(watch.memory_mb, watch.cpu_seconds, elapsed)


def _sample(memory_mb: float, cpu_seconds: float, elapsed: float) -> Sample:
    latency = elapsed / _PHOTOS * 1e3
    return Sample(_PHOTOS / elapsed, latency, latency, latency, cpu_seconds / _PHOTOS * 1e3, memory_mb)
