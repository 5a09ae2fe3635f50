"""The rate that perf_analyzer's profile tells, although answers come in bursts."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.triton_load import PerfAnalyzerError, images_per_second, request_spans, summary


@pytest.mark.parametrize("sizes", [[16], [15, 1], [1], [5, 32]])
def test_bursts_do_not_change_the_rate(sizes: list[int]) -> None:
    seconds_an_image, now = 0.025, 100.0
    answered: list[float] = []
    for size in sizes * (400 // sum(sizes)):
        now += size * seconds_an_image
        answered += [now + 1e-4 * each for each in range(size)]
    shuffled = np.random.default_rng(0).permutation(answered)
    assert images_per_second(shuffled) == pytest.approx(40, rel=0.02)


def test_spans_are_seconds_from_the_first_request() -> None:
    profile = (
        b'{"experiments":[{"requests":[{"timestamp":5000000000,"request_inputs":{"IMAGE":"\xff\xd8"\n{"},'
        b'"response_timestamps":[5500000000],"response_outputs":[]},'
        b'{"timestamp":4000000000,"request_inputs":{},"response_timestamps":[4100000000,4250000000]}]}]}'
    )
    spans = request_spans(profile)
    np.testing.assert_allclose(spans, [[1.0, 1.5], [0.0, 0.25]])


def test_too_few_answers_tell_no_rate() -> None:
    with pytest.raises(PerfAnalyzerError, match="too few"):
        images_per_second(np.array([1.0, 2.0]))


def test_perf_analyzer_s_table_is_read() -> None:
    table = (
        "Concurrency,Inferences/Second,p50 latency,p90 latency,p95 latency,p99 latency\n4,465.2,8200,9000,9500,11000\n"
    )
    sample = summary(table)
    assert (sample.images_per_second, sample.p50, sample.p95, sample.p99) == (465.2, 8.2, 9.5, 11.0)


@pytest.mark.parametrize("table", ["", "Concurrency\n4\n"])
def test_a_table_without_figures_is_an_error(table: str) -> None:
    with pytest.raises(PerfAnalyzerError, match="lacks its figures"):
        summary(table)
