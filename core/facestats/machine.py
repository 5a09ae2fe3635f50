"""What of this machine the process may use: cores and memory within its affinity and its container's limits."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

BASE_BYTES = 512 * 2**20
"""Memory of a gateway without its threads: 140 MB of libraries and models, and the bodies of its requests."""

THREAD_BYTES = 64 * 2**20
"""Memory of a thread that measures: 36 MB with its Face Mesh, as measured, and a decoded photo."""


def default_threads(root: Path = Path("/")) -> int:
    """Threads that decode and measure faces: one a core, as far as memory allows, at least two.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    by_memory = (usable_memory(root) - BASE_BYTES) // THREAD_BYTES
    return max(2, min(usable_cores(root), by_memory))


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may keep busy, at least 1: its affinity's, or its control group's quota, rounded up."""
    cores = float(len(os.sched_getaffinity(0)))
    for group in _groups(root, "cpu"):
        quota, period = _cpu_quota(group)
        if quota > 0 and period > 0:
            cores = min(cores, quota / period)
    return max(1, math.ceil(cores))


def usable_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's limit."""
    limits: list[float] = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group in _groups(root, "memory"):
        limits += [_number(group / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return int(min(limit for limit in limits if limit > 0))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and all above it, whose limits hold too; of version 2 and 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        # Not Linux, or no control groups at all.
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounted = [root / "sys/fs/cgroup" / controllers] if controllers else _unified(root)
        group = PurePosixPath(path)
        # In a container the path may be the host's, and the container's own group is where the file system begins.
        for each in (group, *group.parents):
            yield from (folder / each.relative_to("/") for folder in mounted)


def _unified(root: Path) -> list[Path]:
    return [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]


def _cpu_quota(group: Path) -> tuple[float, float]:
    """Microseconds of core time in a period, and the period; 0 where there is no limit."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return (0.0 if quota == "max" else float(quota)), float(period)


def _number(path: Path) -> float:
    """A file's number; 0 where there is no such file, or no limit in it."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0
