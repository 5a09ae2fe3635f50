"""Ratios are taken round by round, judged against their targets, and guarded against losses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.measurement import Sample, median_sample, sample_of, spread
from benchmarks.ratios import BASELINE, Ratio, ratios
from benchmarks.regression import losses

CORES = 2
PARTS = {"decode": 2.0, "capture stable": 15.0, "capture fast": 4.0, "align": 1.0, "resize": 2.0}


def sample(images_per_second: float, cpu_ms: float | None = None, p50: float = 1.0) -> Sample:
    return Sample(images_per_second, p50, p50, p50, cpu_ms, 500.0)


def one_round(weather: float) -> dict[str, Sample]:
    """A round on a machine that is ``weather`` times as fast as usual."""
    return {
        BASELINE: sample(10 * weather),
        **{f"part {name}": sample(1e3 / cpu, cpu / weather, cpu / weather) for name, cpu in PARTS.items()},
        "engine fp32 batch 1": sample(18 * weather, 60 / weather, 50 / weather),
        "engine fp32 batch 8": sample(25 * weather, 60 / weather, 400 / weather),
        "triton fp32 grpc PIXELS concurrency 1": sample(17 * weather),
        "triton fp32 grpc PIXELS concurrency 16": sample(24 * weather),
        "triton fp32 http PIXELS concurrency 16": sample(24.5 * weather),
        "triton fp32 grpc IMAGE concurrency 16": sample(26 * weather),
        "parts in turn fp32 stable": sample(14 * weather, p50=70 / weather),
        "gateway fp32 stable 1 in flight": sample(12 * weather, p50=77 / weather),
        "gateway fp32 stable 16 in flight": sample(19 * weather),
        "gateway fp32 stable 64 in flight": replace(sample(20 * weather), generator_cpu_ms=1.0 / weather),
        "gateway fp32 stable 16 in flight, photos in a CLIP batch": replace(sample(19 * weather), batch=6.5),
        "LitServe bf16, 1 mesh run, 16 in flight": sample(9.5 * weather),
    }


def by_name(rounds: list[dict[str, Sample]]) -> dict[str, Ratio]:
    return {ratio.name: ratio for ratio in ratios(rounds, ["fp32"], CORES)}


def test_a_slow_round_slows_both_sides() -> None:
    steady = by_name([one_round(1.0)])
    stormy = by_name([one_round(1.0), one_round(0.5), one_round(2.0)])
    assert set(steady) == set(stormy)
    for name, ratio in stormy.items():
        if "MB" not in name and "batch" not in name:
            assert ratio.value == pytest.approx(steady[name].value), name
            assert ratio.spread == pytest.approx(0), name


def test_each_ratio_divides_what_its_name_says() -> None:
    found = by_name([one_round(1.0)])
    triton = found["Triton `attractiveness` fp32, best concurrency / the same engine in process"]
    assert (triton.value, triton.met) == (24.5 / 25, True)
    assert found["gateway fp32 `capture=stable`, 16 in flight / replaced backend"].value == 1.9
    assert found["out of the box, `capture=stable`, 16 in flight / LitServe with bf16 and one mesh run"].value == 2.0
    # 60 + 2 + 15 + 1 + 2 ms of a core, and 1 for the load generator: two cores could do 24.7 a second.
    allowed = found["gateway fp32 `capture=stable`, 64 in flight / what its parts allow, load generator taken off"]
    assert allowed.value == pytest.approx(20 * 81 / 2000)
    assert not allowed.met
    assert found["photos in a CLIP batch at 16 in flight, stable"].value == 6.5
    latency = found["gateway fp32 `capture=stable` latency, one at a time / its parts one after another"]
    assert latency.value == pytest.approx(77 / 70)
    assert latency.met


def test_what_was_not_measured_has_no_ratio() -> None:
    assert not any("int8" in name or "fast" in name for name in by_name([one_round(1.0)]))


def test_a_loss_is_told_in_either_direction_and_a_missing_ratio_too() -> None:
    measured = [Ratio("speed", 0.85, 0, 0.9, True), Ratio("latency", 1.2, 0, 1.15, False)]
    assert losses(measured, {"speed": 0.9, "latency": 1.15}) == []
    told = losses(measured, {"speed": 1.0, "latency": 1.0, "memory": 300.0})
    assert [sentence.split(":")[0] for sentence in told] == ["speed", "latency", "memory"]
    assert "15%" in told[0]
    assert "20%" in told[1]
    assert "not measured" in told[2]


def test_rounds_are_summed_up_by_their_medians_and_their_largest_memory() -> None:
    rounds = [Sample(rate, rate, rate, rate, None, rate) for rate in (1.0, 5.0, 3.0)]
    middle = median_sample(rounds)
    assert (middle.images_per_second, middle.p99, middle.cpu_ms, middle.memory_mb) == (3.0, 3.0, None, 5.0)
    assert spread([1.0, 5.0, 3.0]) == pytest.approx(4 / 3)


def test_latencies_become_percentiles_in_milliseconds() -> None:
    found = sample_of([0.1] * 99 + [1.0], 100, 20.0, cpu_seconds=4.0)
    assert (found.images_per_second, found.p50, found.p95, found.cpu_ms) == (5.0, 100.0, 100.0, 40.0)
    assert found.p99 > 100
    with pytest.raises(ValueError, match="Nothing was answered"):
        sample_of([], 0, 1.0)
