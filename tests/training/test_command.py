"""``facestats train`` on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def train(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facestats_cli", "train", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "give RATINGS and --images, or --embeddings"),
        (("ratings.csv",), "give RATINGS and --images"),
        (("ratings.csv", "--images", ".", "--embeddings", "x.npz"), "alone"),
        (("--embeddings", "absent.npz"), "cannot be read as an NPZ file"),
        (("absent.csv", "--images", "."), "cannot be read as CSV"),
        (("ratings.csv", "--images", ".", "--url", "http://127.0.0.1:9"), "start it with `facestats up`"),
    ],
    ids=["nothing", "no photos", "both", "no file", "no table", "no service"],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], why: str, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("filename,rating\na.jpg,5\n")
    done = train(tmp_path, *arguments)
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr
