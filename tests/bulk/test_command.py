"""What ``facestats bulk`` refuses, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from facestats_cli.main import app


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["bulk", *map(str, arguments)])
    assert result.exit_code == 1
    return " ".join(result.output.split())


def test_needs_an_input_and_an_output(tmp_path: Path) -> None:
    assert "the output's folder as the last argument" in refusal(tmp_path)


def test_repository_without_an_export(tmp_path: Path) -> None:
    assert "run `facestats export`" in refusal(tmp_path, tmp_path / "out", "--repository", tmp_path)


def test_triton_that_is_not_there(tmp_path: Path) -> None:
    said = refusal(tmp_path, tmp_path / "out", "--triton-urls", "127.0.0.1:1")
    assert "Triton at 127.0.0.1:1 cannot score" in said


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--triton-urls", "http://triton:8000", "not host:port"), ("--include", "overlay,mood", "not mood")],
)
def test_values_that_are_not_allowed(tmp_path: Path, option: str, value: str, message: str) -> None:
    assert message in refusal(tmp_path, tmp_path / "out", option, value)
