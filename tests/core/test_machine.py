"""Defaults follow what the process may use, not what the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facestats import machine
from facestats.machine import default_threads, usable_cores, usable_memory
from facestats_gateway.settings import Settings

GIB = 2**30


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 cores and 256 GiB without limits."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 64 * 2**20}.__getitem__)
    return tmp_path


def lay_out(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_without_limits_the_machine_counts(root: Path) -> None:
    assert (usable_cores(root), usable_memory(root), default_threads(root)) == (64, 256 * GIB, 64)
    lay_out(root, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"})
    lay_out(root, {"sys/fs/cgroup/a/memory.max": "max\n"})
    assert (usable_cores(root), usable_memory(root)) == (64, 256 * GIB)


def test_affinity_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7})
    assert default_threads(root) == 3


@pytest.mark.parametrize(
    "files",
    [
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
        },
        {
            "proc/self/cgroup": "0::/kube/pod/here\n",
            "sys/fs/cgroup/kube/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/kube/pod/here/cpu.max": "900000 100000\n",
            "sys/fs/cgroup/kube/pod/memory.max": f"{2 * GIB}\n",
        },
        {
            "proc/self/cgroup": "12:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
        },
        {
            "proc/self/cgroup": "4:memory:/job\n1:cpu:/job\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ],
    ids=["v2 container", "v2 host", "v1 container", "v1 host"],
)
def test_a_control_group_s_limits_count(root: Path, files: dict[str, str]) -> None:
    lay_out(root, files)
    assert (usable_cores(root), usable_memory(root), default_threads(root)) == (3, 2 * GIB, 3)


def test_threads_fit_into_the_memory(root: Path) -> None:
    lay_out(root, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{2 * GIB}\n"})
    assert default_threads(root) * machine.THREAD_BYTES + machine.BASE_BYTES <= 2 * GIB
    lay_out(root, {"sys/fs/cgroup/memory.max": f"{GIB // 4}\n"})
    assert default_threads(root) == 2


def test_settings_take_it_and_a_given_number_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().threads == default_threads()
    monkeypatch.setenv("FACESTATS_THREADS", "7")
    assert Settings().threads == 7
