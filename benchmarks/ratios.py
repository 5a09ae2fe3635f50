"""The ratios that are asked for: computed round by round, so that a slow minute slows both sides, then the median."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measurement import Sample, spread

Round = Mapping[str, Sample]
"""Name of a subject to what one round measured of it."""

BASELINE = "replaced backend"
GATEWAY_MEMORY = "gateway alone, 4 threads"
START = "start to the first score"


@dataclass(frozen=True)
class Ratio:
    """A figure with its target.

    Attributes:
        name: What is divided by what.
        value: Median over the rounds.
        spread: (largest - smallest) / median over the rounds.
        target: What is asked for.
        at_least: Whether larger is better.
    """

    name: str
    value: float
    spread: float
    target: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True)
class Target:
    """A ratio's definition.

    Attributes:
        name: What is divided by what.
        target: What is asked for.
        at_least: Whether larger is better.
        compute: The ratio in one round; raises ``KeyError`` where a subject was not measured.
    """

    name: str
    target: float
    at_least: bool
    compute: Callable[[Round], float]


def best(samples: Round, *prefixes: str) -> Sample:
    """The sample of the largest throughput among the subjects whose name begins with one of these.

    Raises:
        KeyError: There is none.
    """
    found = [sample for name, sample in samples.items() if name.startswith(prefixes)]
    if not found:
        raise KeyError(prefixes)
    return max(found, key=lambda sample: sample.images_per_second)


def cpu_of(samples: Round, name: str) -> float:
    """CPU milliseconds an image of one subject.

    Raises:
        KeyError: It was not measured.
    """
    cpu = samples[name].cpu_ms
    if cpu is None:
        raise KeyError(name)
    return cpu


def memory_of(samples: Round, prefix: str) -> float:
    """Largest memory among the subjects whose name begins so, MB.

    Raises:
        KeyError: There is none that knows.
    """
    found = [sample.memory_mb for name, sample in samples.items() if name.startswith(prefix) and sample.memory_mb]
    if not found:
        raise KeyError(prefix)
    return max(found)


def parts_cpu_ms(samples: Round, precision: str, capture: str) -> float:
    """CPU milliseconds of what one photo cannot do without: decode, mesh runs, align and resize, CLIP at its best."""
    clip = best(samples, f"engine {precision} batch").cpu_ms
    assert clip is not None, "in-process subjects know their CPU time"
    return clip + sum(cpu_of(samples, f"part {name}") for name in ("decode", f"capture {capture}", "align", "resize"))


def peer_name(precision: str, mesh_runs: int, in_flight: int) -> str:
    """Name of a LitServe subject."""
    return f"LitServe {precision}, {mesh_runs} mesh run{'s' if mesh_runs > 1 else ''}, {in_flight} in flight"


def targets(precisions: Sequence[str], cores: int) -> list[Target]:
    """Every target of the service on a machine with this many cores.

    Args:
        precisions: What was served; the first is what `make serve` takes by itself.
        cores: Of the machine.
    """
    best_precision = precisions[0]

    def rate(precision: str, capture: str, in_flight: int = 16) -> Callable[[Round], float]:
        return lambda r: r[f"gateway {precision} {capture} {in_flight} in flight"].images_per_second

    def over(top: Callable[[Round], float], below: str) -> Callable[[Round], float]:
        return lambda r: top(r) / r[below].images_per_second

    def triton(precision: str) -> Target:
        return Target(
            f"Triton `attractiveness` {precision}, best concurrency / the same engine in process",
            *(0.93, True),
            lambda r: (
                best(r, f"triton {precision} grpc PIXELS", f"triton {precision} http PIXELS").images_per_second
                / best(r, f"engine {precision} batch").images_per_second
            ),
        )

    def allowed(precision: str, capture: str) -> Target:
        name = f"gateway {precision} {capture} 64 in flight"

        def share(r: Round) -> float:
            generator = r[name].generator_cpu_ms or 0.0
            return r[name].images_per_second / (cores * 1e3 / (parts_cpu_ms(r, precision, capture) + generator))

        return Target(
            f"gateway {precision} `capture={capture}`, 64 in flight / what its parts allow, load generator taken off",
            *(0.85, True),
            share,
        )

    def latency(precision: str, capture: str) -> Target:
        return Target(
            f"gateway {precision} `capture={capture}` latency, one at a time / its parts one after another",
            *(1.2, False),
            lambda r: (
                r[f"gateway {precision} {capture} 1 in flight"].p50 / r[f"parts in turn {precision} {capture}"].p50
            ),
        )

    own = f"gateway {best_precision} stable 16 in flight, its own process"
    batches = f"gateway {best_precision} stable 16 in flight, photos in a CLIP batch"
    litserve = peer_name("bf16", 1, 16)
    return [
        Target(
            f"gateway {best_precision} `capture=stable`, 16 in flight / replaced backend",
            *(5.0, True),
            over(rate(best_precision, "stable"), BASELINE),
        ),
        Target(
            f"gateway {best_precision} `capture=fast`, 16 in flight / replaced backend",
            *(6.5, True),
            over(rate(best_precision, "fast"), BASELINE),
        ),
        Target(
            "out of the box, `capture=fast`, 16 in flight / LitServe with bf16, same mesh runs",
            *(2.0, True),
            over(rate(best_precision, "fast"), litserve),
        ),
        Target(
            "out of the box, `capture=stable`, 16 in flight / LitServe with bf16 and one mesh run",
            *(1.6, True),
            over(rate(best_precision, "stable"), litserve),
        ),
        Target(
            "gateway fp32 `capture=stable`, 16 in flight / replaced backend",
            *(2.1, True),
            over(rate("fp32", "stable"), BASELINE),
        ),
        Target(
            "CPU of a stable capture / MediaPipe's three runs",
            *(0.45, False),
            lambda r: cpu_of(r, "part capture stable") / cpu_of(r, "part MediaPipe, capture stable"),
        ),
        Target(
            "gateway's own CPU a photo, stable, 16 in flight / before, by MediaPipe's run (28.1 ms where it cost 4.7)",
            *(0.5, False),
            lambda r: cpu_of(r, own) / (28.1 / 4.7 * cpu_of(r, "part MediaPipe, one mesh run")),
        ),
        Target("photos in a CLIP batch at 16 in flight, stable", 6.0, True, lambda r: _batch_of(r, batches)),
        triton(best_precision),
        *(allowed(best_precision, capture) for capture in ("stable", "fast")),
        *(latency(best_precision, capture) for capture in ("stable", "fast")),
        Target(
            f"Triton `psl` {best_precision}, the whole job / gateway `capture=stable`, 16 in flight",
            *(0.95, True),
            lambda r: (
                r[f"psl {best_precision} concurrency 16"].images_per_second / rate(best_precision, "stable", 16)(r)
            ),
        ),
        Target(
            "CPU of decode + resize on a 12-megapixel JPEG / with a full decode",
            *(0.5, False),
            lambda r: cpu_of(r, "part 12 MP decode + resize, reduced") / cpu_of(r, "part 12 MP decode + resize, full"),
        ),
        Target("start with exported models to the first score, seconds", 3.0, False, lambda r: r[START].p50 / 1e3),
        Target("resident memory, gateway (4 threads), MB", 350, False, lambda r: memory_of(r, GATEWAY_MEMORY)),
        Target(
            f"resident memory, Triton ({best_precision}), MB",
            *(500, False),
            lambda r: memory_of(r, f"triton {best_precision}"),
        ),
    ]


def _batch_of(samples: Round, name: str) -> float:
    batch = samples[name].batch
    if batch is None:
        raise KeyError(name)
    return batch


def ratios(rounds: Sequence[Round], precisions: Sequence[str], cores: int) -> list[Ratio]:
    """Every target that the rounds have the measurements for."""
    found = []
    for target in targets(precisions, cores):
        try:
            values = [target.compute(samples) for samples in rounds]
        except KeyError:
            continue
        found.append(Ratio(target.name, statistics.median(values), spread(values), target.target, target.at_least))
    return found
