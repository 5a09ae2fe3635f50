"""Finds the settings under which this machine answers most photos, without making a lone one wait for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.gateway_load import GatewayLoad
from benchmarks.measurement import Sample
from benchmarks.stacks import StartedStack
from benchmarks.workload import Workload
from facestats_local_triton.tuning import Tuning, apply_tuning

MOST_LATENCY = 1.15
"""A lone photo may take this many times the fastest candidate's time: throughput is not bought with more."""

LONGEST_WAIT = 3.0
"""Seconds of work that may queue before photos are refused; a caller would give up on more."""

QUEUE_DELAYS = (0, 2000)
_MANY_REQUESTS = 10_000


@dataclass(frozen=True)
class Trial:
    """One candidate, measured.

    Attributes:
        tuning: The settings.
        full: Samples at an arrival rate beyond what can be served.
        alone: Samples of one request at a time.
    """

    tuning: Tuning
    full: tuple[Sample, ...]
    alone: tuple[Sample, ...]

    @property
    def images_per_second(self) -> float:
        """At full load, median over the rounds."""
        return median(sample.images_per_second for sample in self.full)

    @property
    def latency_ms(self) -> float:
        """Of a lone photo, median over the rounds."""
        return median(sample.p50 for sample in self.alone)

    def document(self) -> dict[str, object]:
        """The evidence as plain values."""
        return {**vars(self.tuning), "images_per_second": self.images_per_second, "latency_ms": self.latency_ms}


def thread_splits(cores: int) -> list[tuple[int, int]]:
    """Instances and threads of each, together one thread a core: one big, a few middling, many small instances."""
    return sorted({(count, cores // count) for count in (1, 2, cores) if cores % count == 0 and count <= cores})


def choose(trials: Sequence[Trial]) -> Trial:
    """The most productive of those whose lone photo is within ``MOST_LATENCY`` of the fastest."""
    fastest = min(trial.latency_ms for trial in trials)
    return max(
        (trial for trial in trials if trial.latency_ms <= MOST_LATENCY * fastest),
        key=lambda trial: trial.images_per_second,
    )


def admitted(images_per_second: float, threads: int) -> int:
    """How many photos may be in flight: ``LONGEST_WAIT`` seconds of work, and enough to keep every thread busy."""
    return max(4 * threads, round(images_per_second * LONGEST_WAIT))


class Tuner:
    """Measures candidates on copies of a repository.

    Args:
        repository: Exported.
        workload: The photo.
        cores: To be used.
        rounds: Measurements of each candidate, interleaved.
        seconds: Length of one measurement.
        progress: Told of each measurement.
    """

    def __init__(
        self,
        repository: Path,
        workload: Workload,
        cores: int,
        *,
        rounds: int,
        seconds: float,
        progress: Callable[[str], None],
    ) -> None:
        self._repository, self._workload, self._cores = repository, workload, cores
        self._rounds, self._seconds, self._progress = rounds, seconds, progress

    def run(self) -> tuple[Tuning, list[Trial]]:
        """Tries thread splits, then queue delays, then gateway threads, each with the best of what came before."""
        base = Tuning(1, self._cores, 0, max(2, self._cores), _MANY_REQUESTS)
        trials: list[Trial] = []
        best = base
        for vary in (self._splits, self._delays, self._gateway_threads):
            found = self._compare(list(vary(best)))
            trials += found
            best = choose(found).tuning
        rate = next(trial for trial in reversed(trials) if trial.tuning == best).images_per_second
        return replace(best, max_requests_in_flight=admitted(rate, best.gateway_threads)), trials

    def _splits(self, best: Tuning) -> Iterator[Tuning]:
        for instances, threads in thread_splits(self._cores):
            yield replace(best, instances=instances, intra_op_threads=threads)

    def _delays(self, best: Tuning) -> Iterator[Tuning]:
        for delay in QUEUE_DELAYS:
            yield replace(best, queue_delay_microseconds=delay)

    def _gateway_threads(self, best: Tuning) -> Iterator[Tuning]:
        for threads in sorted({max(2, self._cores), max(2, self._cores) * 2}):
            yield replace(best, gateway_threads=threads)

    def _compare(self, candidates: list[Tuning]) -> list[Trial]:
        rounds = [[self._measure(candidate) for candidate in candidates] for _ in range(self._rounds)]
        return [
            Trial(candidate, *(tuple(each) for each in zip(*samples, strict=True)))
            for candidate, samples in zip(candidates, zip(*rounds, strict=True), strict=True)
        ]

    def _measure(self, tuning: Tuning) -> tuple[Sample, Sample]:
        with TemporaryDirectory(prefix="facestats_tune_") as folder:
            repository = Path(folder) / "models"
            shutil.copytree(self._repository, repository, copy_function=_link_or_copy)
            apply_tuning(repository, tuning)
            settings = {f"FACESTATS_{name.upper()}": str(value) for name, value in tuning.gateway_settings().items()}
            with StartedStack(repository, Path(folder) / "log", settings) as stack:
                load = GatewayLoad(stack.url, stack.everything, self._workload)
                alone = load.one_at_a_time(self._seconds / 2, "")
                # One photo at a time keeps at least one core busy, so no more than this can be served.
                full = load.at_rate(self._cores * alone.images_per_second, self._seconds, "")
        self._progress(
            f"{tuning.instances} x {tuning.intra_op_threads} threads, delay {tuning.queue_delay_microseconds} us, "
            f"gateway {tuning.gateway_threads} threads: {full.images_per_second:.1f} images/s, "
            f"alone {alone.p50:.1f} ms"
        )
        return full, alone


def _link_or_copy(source: str, target: str) -> None:
    """Models are large and only read: linked; configurations are changed: copied."""
    if source.endswith(".onnx"):
        Path(target).symlink_to(Path(source).resolve())
    else:
        shutil.copy2(source, target)
