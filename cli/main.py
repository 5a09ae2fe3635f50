"""The ``facestats`` command: one module a subcommand, imported when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click
import typer
from typer.core import TyperGroup

COMMANDS = {
    "up": "cli.up",
    "gateway": "cli.gateway",
    "score": "cli.score",
    "export": "cli.export",
}
"""Subcommand to the module that holds a function of that name (dashes become underscores)."""


class LazyCommands(TyperGroup):
    """Imports a subcommand's module only when it is asked for: ``facestats score`` must not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The subcommands in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:
        """Builds one subcommand, or None when there is no such one."""
        if cmd_name not in COMMANDS:
            return None
        function = getattr(import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        single.command(cmd_name)(function)
        command = typer.main.get_command(single)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    help="Face scoring on NVIDIA Triton: 60 % geometry, 40 % CLIP + FaceStats.",
)


@app.callback()
def _facestats() -> None:
    """Face scoring on NVIDIA Triton: 60 % geometry, 40 % CLIP + FaceStats."""


def fail(message: str) -> typer.Exit:
    """Prints one sentence to standard error; raise what it returns to end the command with exit code 1."""
    typer.secho(f"facestats: {message}", fg=typer.colors.RED, err=True)
    return typer.Exit(1)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
