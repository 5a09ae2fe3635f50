"""The command itself: version, help, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from facestats_cli.main import app

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


def test_version_is_the_distribution_s() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, f"facestats {version('facestats-triton')}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_describes_itself_and_its_options(command: str) -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, "--help"])
    assert result.exit_code == 0
    undocumented = [
        parameter.name
        for parameter in get_command(app).commands[command].params  # type: ignore[attr-defined]
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
