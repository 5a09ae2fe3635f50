"""The ``facestats`` command: what the installed parts register under ``facestats.commands``, loaded when asked for.

Parts name their commands in ``pyproject.toml``, so this package imports none of them and none of them imports this one.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as command_of

from facestats.errors import FaceStatsError
from facestats_cli.failure import say_failure

COMMANDS = "facestats.commands"
"""Entry-point group: name of a command to the function that is one."""


class InstalledCommands(TyperGroup):
    """The registered commands; a ``FaceStatsError`` of any ends it with its sentence and exit code 1."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        # Their names alone: what a misspelt one is compared with.
        names: dict[str, Any] = dict.fromkeys(_registered())
        self.commands.update(names)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of those whose part is installed, sorted: an image may carry some parts only."""
        return sorted(installed_commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Imports one; ``None`` where there is none of that name."""
        point = _registered().get(cmd_name)
        return None if point is None else _load(point)

    def invoke(self, ctx: Any) -> Any:
        """Runs the chosen one."""
        try:
            return super().invoke(ctx)
        except FaceStatsError as error:
            say_failure(str(error))
        except ModuleNotFoundError as error:
            say_failure(
                f"this installation lacks '{error.name}', which the command needs; "
                "install the project's extra that brings it (serve, export, triton, evaluate, train, bulk or dev)."
            )
        raise typer.Exit(1)


def installed_commands() -> dict[str, Any]:
    """Every command whose part is installed by its name, loaded."""
    found = {}
    for name, point in sorted(_registered().items()):
        with suppress(ModuleNotFoundError):
            found[name] = _load(point)
    return found


@cache
def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=COMMANDS)}


@cache
def _load(point: EntryPoint) -> Any:
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(point.name)(point.load())
    return command_of(single)


app = typer.Typer(
    cls=InstalledCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Face scoring on NVIDIA Triton: 60 % geometry, 40 % CLIP + FaceStats.",
)


def show_version(wanted: bool) -> None:
    """Prints the installed version and ends."""
    if wanted:
        from importlib.metadata import version

        print(f"facestats {version('facestats-triton')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What holds for every command; its help is the app's."""


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
