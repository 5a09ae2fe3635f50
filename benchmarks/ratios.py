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
    clip = best(samples, f"onnxruntime {precision}").cpu_ms
    assert clip is not None, "in-process subjects know their CPU time"
    return clip + sum(cpu_of(samples, f"part {name}") for name in ("decode", f"capture {capture}", "align", "resize"))


def targets(cores: int) -> list[Target]:
    """Every target of the service on a machine with this many cores."""

    def triton(precision: str) -> Target:
        return Target(
            f"Triton `attractiveness` {precision}, best concurrency / raw ONNX Runtime, same model and threads",
            *(0.95, True),
            lambda r: (
                best(r, f"triton {precision} grpc PIXELS", f"triton {precision} http PIXELS").images_per_second
                / best(r, f"onnxruntime {precision}").images_per_second
            ),
        )

    def replaced(precision: str, capture: str, target: float) -> Target:
        return Target(
            f"gateway {precision} `capture={capture}` / replaced backend",
            *(target, True),
            lambda r: r[f"gateway {precision} {capture} full load"].images_per_second / r[BASELINE].images_per_second,
        )

    def allowed(precision: str, capture: str) -> Target:
        return Target(
            f"gateway {precision} `capture={capture}` / what its parts allow",
            *(0.90, True),
            lambda r: (
                r[f"gateway {precision} {capture} full load"].images_per_second
                / (cores * 1e3 / parts_cpu_ms(r, precision, capture))
            ),
        )

    def inside_triton(precision: str) -> Target:
        return Target(
            f"Triton `psl` {precision}, the whole job / gateway {precision} `capture=stable`",
            *(0.95, True),
            lambda r: (
                r[f"psl {precision} concurrency 32"].images_per_second
                / r[f"gateway {precision} stable full load"].images_per_second
            ),
        )

    def latency(precision: str, capture: str) -> Target:
        return Target(
            f"gateway {precision} `capture={capture}` latency, one at a time / its parts one after another",
            *(1.15, False),
            lambda r: (
                r[f"gateway {precision} {capture} one at a time"].p50 / r[f"parts in turn {precision} {capture}"].p50
            ),
        )

    return [
        triton("fp32"),
        triton("int8"),
        replaced("fp32", "stable", 1.7),
        replaced("fp32", "fast", 1.95),
        replaced("int8", "stable", 3.3),
        replaced("int8", "fast", 4.2),
        *(allowed(precision, capture) for precision in ("fp32", "int8") for capture in ("stable", "fast")),
        *(latency(precision, capture) for precision in ("fp32", "int8") for capture in ("stable", "fast")),
        *(inside_triton(precision) for precision in ("fp32", "int8")),
        Target(
            "CPU of decode + resize on a 12-megapixel JPEG / with a full decode",
            *(0.5, False),
            lambda r: cpu_of(r, "part 12 MP decode + resize, reduced") / cpu_of(r, "part 12 MP decode + resize, full"),
        ),
        Target("resident memory, gateway (4 threads), MB", 400, False, lambda r: memory_of(r, GATEWAY_MEMORY)),
        Target("resident memory, Triton (one fp32 instance), MB", 900, False, lambda r: memory_of(r, "triton fp32")),
    ]


def ratios(rounds: Sequence[Round], cores: int) -> list[Ratio]:
    """Every target that the rounds have the measurements for."""
    found = []
    for target in targets(cores):
        try:
            values = [target.compute(samples) for samples in rounds]
        except KeyError:
            continue
        found.append(Ratio(target.name, statistics.median(values), spread(values), target.target, target.at_least))
    return found
