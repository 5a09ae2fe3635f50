"""The ``facestats`` command: one module a subcommand; what is slow to import is imported when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.bench import bench
from cli.bulk import bulk
from cli.calibrate import calibrate
from cli.doctor import doctor
from cli.evaluate import evaluate
from cli.export import export
from cli.failure import fail
from cli.gateway import gateway
from cli.key import key
from cli.rollback import rollback
from cli.score import score
from cli.tune import tune
from cli.up import up

app = typer.Typer(
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


app.command()(up)
app.command()(gateway)
app.command()(score)
app.command()(export)
app.command()(rollback)
app.command()(calibrate)
app.command()(evaluate)
app.command()(bulk)
app.command()(bench)
app.command()(tune)
app.command()(doctor)
app.command()(key)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        fail(
            f"this installation lacks '{error.name}', which the command needs; "
            "install the project's extra that brings it (export, triton, evaluate, bulk or dev)."
        )
        sys.exit(1)
