"""``facestats export``: what it prints and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from facestats.models.repository import ENCODER, REGRESSOR, read_parameters
from facestats_cli.main import app
from facestats_export.command import attribute_files
from tests.export.spread_tower import write_spread_tower


def test_attributes_are_names_and_files() -> None:
    assert attribute_files(["smile=a/b.skops", "x=y=z.pkl"]) == {"smile": Path("a/b.skops"), "x": Path("y=z.pkl")}


@pytest.mark.parametrize("wrong", ["smile", "=file", "smile="])
def test_other_attributes_are_one_sentence(wrong: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "--attribute", wrong, "--output", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.strip() == f"facestats: '{wrong}' is not NAME=FILE."


def test_what_cannot_be_exported_ends_with_one_sentence(tmp_path: Path) -> None:
    torch.save({"net.0.weight": torch.zeros(1, 768)}, tmp_path / "wide.pt")
    command = ["export", "--weights", "untrained", "--regressor", str(tmp_path / "wide.pt"), "--output", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("facestats:")]
    assert "768 -> 1" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--precision", "--target"])
def test_unknown_choices_are_refused(option: str) -> None:
    assert CliRunner().invoke(app, ["export", option, "something"]).exit_code == 2


@pytest.mark.integration
def test_another_process_writes_the_same_bytes_and_a_third_run_nothing(tmp_path: Path, root: Path) -> None:
    tower = write_spread_tower(tmp_path)
    outputs = [tmp_path / "one", tmp_path / "another" / "deeper"]

    def arguments(output: Path) -> list[str]:
        files = ["--weights", tower.snapshot, "--regressor", tower.regressor, "--calibration", tower.calibration]
        return ["export", *map(str, files), "--no-triton", "--output", str(output)]

    environment = {"PYTHONHASHSEED": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "facestats_cli", *arguments(outputs[0])]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, env=environment).stderr
    assert "onnxruntime against PyTorch" in said
    assert CliRunner().invoke(app, arguments(outputs[1])).exit_code == 0
    for model in (ENCODER, REGRESSOR):
        first, second = ((output / model / "1" / "model.onnx").read_bytes() for output in outputs)
        assert first == second
    assert read_parameters(outputs[0] / "attractiveness") == read_parameters(outputs[1] / "attractiveness")
    assert "unchanged, nothing to do" in CliRunner().invoke(app, arguments(outputs[0])).stderr
    assert not (outputs[0] / ENCODER / "2").exists()
