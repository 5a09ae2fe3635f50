"""The benchmark for machines with a GPU."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def test_without_a_gpu_it_says_so_in_one_sentence(root: Path) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has NVIDIA's driver")
    command = [sys.executable, "-m", "benchmarks.gpu"]
    finished = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert "needs an NVIDIA GPU" in finished.stderr
    assert "Traceback" not in finished.stderr
