from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from facestats_local_triton import ownership
from facestats_local_triton.ownership import Owner, clean_after_dead_owners


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared-memory folder and a temporary folder of the test's own."""
    monkeypatch.setattr(ownership, "SHARED_MEMORY", tmp_path / "shm")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (tmp_path / "shm").mkdir()
    (tmp_path / "temp").mkdir()
    return tmp_path


@pytest.fixture
def dead() -> Owner:
    """The owner that a process which has ended had been."""
    script = "from facestats_local_triton.ownership import Owner; o = Owner.new(); print(o.pid, o.started)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    pid, started = output.split()
    return replace(Owner.new(), pid=int(pid), started=int(started))


@contextmanager
def sleeping(tmp_path: Path, program: str, argument: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process called ``program`` with one argument more than it needs."""
    executable = tmp_path / program
    shutil.copy("/bin/sh", executable)
    # `read` waits on a pipe that only the test can end.
    process = subprocess.Popen([str(executable), "-c", "read line", argument], stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def region(owner: Owner, name: str = "region") -> Path:
    path = ownership.SHARED_MEMORY / (owner.prefix + name)
    path.touch()
    return path


def test_prefix_tells_its_owner() -> None:
    owner = Owner.new()
    assert Owner.of(f"shm-region-prefix-name={owner.prefix}6ba7") == owner
    assert Owner.of("triton_python_backend_shm_region_6ba7") is None
    assert Owner.new() != owner, "two servers of one process must not share regions"


def test_this_process_is_alive_and_an_ended_one_is_dead(dead: Owner) -> None:
    assert not Owner.new().provably_dead
    assert dead.provably_dead


def test_a_later_process_with_the_same_pid_is_another_one() -> None:
    assert replace(Owner.new(), started=1).provably_dead


def test_nothing_can_be_said_of_another_pid_namespace(dead: Owner) -> None:
    assert not replace(dead, namespace=dead.namespace + 1).provably_dead


def test_dead_owner_s_regions_processes_and_files_are_removed(dead: Owner, places: Path) -> None:
    left = region(dead)
    dead.run_directory.mkdir()
    with sleeping(places, "triton_python_backend_stub", left.name) as stub:
        removed = clean_after_dead_owners()
        assert not psutil.pid_exists(stub.pid)
    assert sorted(removed) == sorted([f"process {stub.pid}", f"shared memory {left.name}"])
    assert not left.exists()
    assert not dead.run_directory.exists()
    assert clean_after_dead_owners() == []


def test_a_living_owner_and_foreign_regions_stay(dead: Owner, places: Path) -> None:
    mine = region(Owner.new())
    foreign = ownership.SHARED_MEMORY / "triton_python_backend_shm_region_6ba7"
    foreign.touch()
    with (
        sleeping(places, "triton_python_backend_stub", mine.name) as my_stub,
        sleeping(places, "tritonserver", foreign.name) as foreign_server,
        sleeping(places, "editor", region(dead, "x").name) as editor,
    ):
        clean_after_dead_owners()
        assert mine.exists()
        assert foreign.exists()
        for process in (my_stub, foreign_server, editor):
            assert psutil.pid_exists(process.pid)
            assert process.poll() is None


def test_a_zombie_launcher_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    started = ownership._start_ticks(process.pid)
    assert started is not None
    # Ended, but not yet waited for.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert replace(Owner.new(), pid=process.pid, started=started).provably_dead
    process.wait()
