"""``facestats bulk`` as a person runs it, and stops it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.integration

START_TIMEOUT = 120.0


def test_interrupted_run_is_finished_by_the_next(
    root: Path,
    tmp_path: Path,
    photos: list[bytes],
    spread_repository: Path,
) -> None:
    """Ctrl-C in the middle: whole files only, nothing left running, and the second run does the rest."""
    collection, output = tmp_path / "photos", tmp_path / "scores"
    collection.mkdir()
    for index, photo in enumerate(photos):
        (collection / f"{index}.jpg").write_bytes(photo)
    command = [sys.executable, "-m", "facestats_cli", "bulk", str(collection), str(output)]
    command += ["--repository", str(spread_repository), "--capture", "fast", "--rows-per-file", "4", "--cpus", "1"]

    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as first:
        await_file(output, first)
        family = psutil.Process(first.pid).children(recursive=True)
        listening = {
            entry.laddr.ip
            for process in family
            for entry in process.net_connections("inet")
            if entry.status == psutil.CONN_LISTEN
        }
        os.kill(first.pid, signal.SIGINT)
        said = first.communicate(timeout=60)[0]
    assert first.returncode == 130, said
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, "Ray is on the loopback interface only"
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    done = len(pq.read_table(output))
    assert 0 < done < len(photos)

    second = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=200, check=False)
    assert second.returncode == 0, second.stdout + second.stderr
    assert re.search(rf"done before +│ +{done} ", second.stdout), second.stdout
    assert re.search(rf"scored +│ +{len(photos) - done} ", second.stdout), second.stdout
    assert re.search(r"throughput +│ +[\d.]+ images/s", second.stdout), second.stdout
    ids = pq.read_table(output)["id"].to_pylist()
    assert sorted(ids) == sorted(str(path) for path in collection.iterdir())
    assert all(path.name.startswith("part-") for path in output.iterdir())
    run_examples(root / "docs" / "bulk.md", tmp_path)


def run_examples(page: Path, folder: Path) -> None:
    """Runs the page's Python blocks as printed, beside a folder ``scores``."""
    examples = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    for code in examples:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        assert done.stdout.strip()


def await_file(folder: Path, process: subprocess.Popen[str]) -> None:
    """Waits for the first finished file."""
    end = time.monotonic() + START_TIMEOUT
    while not list(folder.glob("part-*.parquet")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)
