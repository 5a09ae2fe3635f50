"""What one measurement of one subject says, and the median of several rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One measurement.

    Attributes:
        images_per_second: Images answered per second.
        p50: Median latency, milliseconds.
        p95: 95th percentile of the latency, milliseconds.
        p99: 99th percentile of the latency, milliseconds.
        cpu_ms: CPU time an image of every process involved on the serving side, milliseconds; ``None`` if unknown.
        memory_mb: Largest memory seen on the serving side (proportional set size), MB; ``None`` if unknown.
        failed: Share of the requests that got no answer or an error.
        gateway_cpu_ms: CPU time an image of the gateway's process alone, milliseconds; ``None`` if unknown.
        batch: Mean number of images that CLIP computed together; ``None`` if unknown.
        generator_cpu_ms: CPU time an image of the load generator, which runs on the same cores, milliseconds; ``None``
            where the load comes from this process or its cost is unknown.
    """

    images_per_second: float
    p50: float
    p95: float
    p99: float
    cpu_ms: float | None = None
    memory_mb: float | None = None
    failed: float = 0.0
    generator_cpu_ms: float | None = None
    gateway_cpu_ms: float | None = None
    batch: float | None = None


def sample_of(
    seconds: Sequence[float],
    images: int,
    elapsed: float,
    *,
    cpu_seconds: float | None = None,
    memory_mb: float | None = None,
    failed: float = 0.0,
) -> Sample:
    """A sample from single latencies.

    Args:
        seconds: Latency of each call that succeeded, seconds; at least one.
        images: Images answered.
        elapsed: Wall time over which they were answered, seconds.
        cpu_seconds: CPU time spent on them.
        memory_mb: Largest memory seen.
        failed: Share of failed requests.

    Raises:
        ValueError: Nothing was answered.
    """
    if not images or not len(seconds):
        raise ValueError("Nothing was answered, so there is nothing to report.")
    p50, p95, p99 = (float(value) * 1e3 for value in np.percentile(seconds, [50, 95, 99]))
    cpu_ms = None if cpu_seconds is None else cpu_seconds / images * 1e3
    return Sample(images / elapsed, p50, p95, p99, cpu_ms, memory_mb, failed)


def median_sample(samples: Sequence[Sample]) -> Sample:
    """Each attribute's median over the rounds; ``None`` where no round knows it. Memory is the largest instead."""

    def middle(name: str) -> float | None:
        known: list[float] = [value for sample in samples if (value := getattr(sample, name)) is not None]
        if not known:
            return None
        return max(known) if name == "memory_mb" else statistics.median(known)

    return Sample(**{field.name: middle(field.name) for field in fields(Sample)})  # type: ignore[arg-type]


def spread(values: Sequence[float]) -> float:
    """How far the rounds lie apart: (largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)
