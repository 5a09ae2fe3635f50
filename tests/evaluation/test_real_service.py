"""``facestats evaluate`` against the running service, on rated photos."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration


def evaluate(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facestats_cli", "evaluate", *map(str, arguments)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def out(root: Path, shared_dir: Path, gateway_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    faces, out = shared_dir / "faces", tmp_path_factory.mktemp("evaluation")
    options = ("--images", faces, "--ratings", faces / "ratings.csv", "--group", "sex", "--sex-column", "sex")
    done = evaluate(root, *options, "--out", out, "--url", gateway_url)
    assert done.returncode == 0, done.stderr
    assert "within sex" in done.stdout
    return out


@pytest.fixture(scope="module")
def document(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "evaluation.json").read_text("utf-8"))
    return found


def test_every_photo_has_every_kind_of_score(document: dict[str, Any]) -> None:
    assert document["failures"] == []
    assert {kind: report["overall"]["photos"] for kind, report in document["kinds"].items()} == {
        "geometric": 48,
        "holistic": 48,
        "blended": 48,
    }


def test_geometry_agrees_with_people_within_sex(document: dict[str, Any]) -> None:
    """Forty-eight photos cannot tell 0.42 from 0.3, but they can tell it from nothing."""
    pearson = document["kinds"]["geometric"]["within_groups"]["pearson"]
    assert pearson["low"] > 0
    assert pearson["value"] == pytest.approx(0.42, abs=0.2)


def test_the_pictures_are_written(out: Path) -> None:
    for name in ("scatter.png", "calibration.png", "group_gaps.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_the_model_that_answered_is_named(document: dict[str, Any]) -> None:
    assert document["model"]["receipt"].startswith("sha256:")
    assert document["model"]["weights"] == "untrained"


def test_a_service_that_is_not_there_is_one_clear_sentence(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("filename,rating\na.jpg,5\n", encoding="utf-8")
    options = ("--images", tmp_path, "--ratings", tmp_path / "ratings.csv", "--out", tmp_path / "out")
    done = evaluate(root, *options, "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "is it running?" in done.stderr
    assert "Traceback" not in done.stderr
