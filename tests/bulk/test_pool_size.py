"""How many workers of which size a cluster gets."""

from __future__ import annotations

import pytest

from facestats_bulk.cluster import Pool, choose_pool
from facestats_bulk.errors import BulkError


@pytest.mark.parametrize(
    ("nodes", "workers", "cpus", "pool"),
    [
        ([2], None, None, Pool(1, 2)),
        ([1, 1], None, None, Pool(2, 1)),
        ([16, 16], None, None, Pool(8, 4)),
        ([16, 6], None, None, Pool(5, 4)),
        ([16, 2], None, None, Pool(9, 2)),
        ([16], None, 1, Pool(16, 1)),
        ([4], 100, 2, Pool(100, 2)),
    ],
)
def test_workers_fill_the_cluster(nodes: list[int], workers: int | None, cpus: int | None, pool: Pool) -> None:
    assert choose_pool(nodes, workers, cpus) == pool


def test_worker_larger_than_every_node() -> None:
    with pytest.raises(BulkError, match=r"no node of the Ray cluster has 8 CPUs \(the largest has 4\)"):
        choose_pool([4, 2], None, 8)


def test_cluster_without_cpus() -> None:
    with pytest.raises(BulkError, match="no CPUs"):
        choose_pool([], None, None)
