"""The command itself: version, help, completion."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facestats_cli.main import app, installed_commands

COMMANDS = sorted(installed_commands())


def test_version_is_the_distribution_s() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, f"facestats {version('facestats-triton')}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_describes_itself_and_its_options(command: str) -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, "--help"])
    assert result.exit_code == 0
    undocumented = [
        parameter.name
        for parameter in installed_commands()[command].params
        if parameter.name != "help" and not getattr(parameter, "help", None)
    ]
    assert undocumented == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_finds_the_commands(shell: str) -> None:
    environment = {
        "_FACESTATS_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "facestats do",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": "facestats do",
        "COMP_CWORD": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'facestats'; from facestats_cli.main import main; main()"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "doctor" in result.stdout, result.stderr
    assert "score" not in result.stdout


def test_the_installed_commands_are_the_declared_ones(root: Path) -> None:
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]["facestats.commands"]
    assert sorted(declared) == COMMANDS, "the installation is older than pyproject.toml: make setup"


def test_only_the_command_that_runs_is_imported() -> None:
    code = (
        "import sys; sys.argv = ['facestats', 'key', 'me']; from facestats_cli.main import app;"
        "app(standalone_mode=False); print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "facestats_gateway.key_command" in loaded
    assert not loaded & {"facestats_bulk", "facestats_export", "facestats_evaluation", "facestats_cli.up", "numpy"}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['facestats', '--help']; from facestats_cli.main import app;"
        "app(standalone_mode=False); print(*sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "onnx", "onnxruntime", "mediapipe", "cv2", "fastapi", "uvicorn", "ray", "pyarrow"}
    assert not set(result.stdout.splitlines()[-1].split()) & heavy


def test_unknown_command_is_refused_with_a_hint() -> None:
    result = CliRunner().invoke(app, ["docter"])
    assert result.exit_code == 2
    assert "doctor" in result.stderr


def test_a_command_whose_extra_is_not_installed_says_so_in_one_sentence() -> None:
    blocked = "import sys; sys.argv = ['facestats', 'export']; sys.modules['facestats_export.run'] = None; "
    result = subprocess.run(
        [sys.executable, "-c", blocked + "from facestats_cli.main import main; main()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "lacks 'facestats_export.run'" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
