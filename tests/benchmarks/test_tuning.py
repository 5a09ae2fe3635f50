"""Which settings `facestats tune` tries and which of them it keeps."""

from __future__ import annotations

import pytest

from benchmarks.measurement import Sample
from benchmarks.tuning import LONGEST_WAIT, MOST_LATENCY, Trial, admitted, choose, thread_splits
from facestats_local_triton.tuning import Tuning


def trial(instances: int, images_per_second: float, latency_ms: float) -> Trial:
    full = Sample(images_per_second, 900, 950, 990)
    alone = Sample(1e3 / latency_ms, latency_ms, latency_ms, latency_ms)
    return Trial(Tuning(instances, 1, 0, 2, 100), (full, full), (alone, alone))


@pytest.mark.parametrize(
    ("cores", "splits"),
    [(1, [(1, 1)]), (2, [(1, 2), (2, 1)]), (3, [(1, 3), (3, 1)]), (8, [(1, 8), (2, 4), (8, 1)])],
)
def test_every_split_uses_one_thread_a_core(cores: int, splits: list[tuple[int, int]]) -> None:
    assert thread_splits(cores) == splits


def test_the_most_productive_wins_among_those_that_keep_a_lone_photo_quick() -> None:
    quick, productive = trial(1, 20, 50), trial(2, 23, 50 * MOST_LATENCY)
    slow = trial(4, 30, 50 * MOST_LATENCY + 1)
    assert choose([quick, productive, slow]) is productive
    assert choose([quick, slow]) is quick


def test_as_much_is_admitted_as_is_done_within_the_longest_wait() -> None:
    assert admitted(20, threads=2) == 20 * LONGEST_WAIT
    assert admitted(1, threads=4) == 16, "every thread stays busy"
