"""The ``facestats`` command: one module a subcommand; what is slow to import is imported when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from facestats_cli.bench import bench
from facestats_cli.bulk import bulk
from facestats_cli.calibrate import calibrate
from facestats_cli.doctor import doctor
from facestats_cli.evaluate import evaluate
from facestats_cli.export import export
from facestats_cli.failure import fail
from facestats_cli.key import key
from facestats_cli.repeatability import repeatability
from facestats_cli.rollback import rollback
from facestats_cli.score import score
from facestats_cli.tune import tune
from facestats_cli.up import up
from facestats_gateway.command import gateway

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
app.command()(repeatability)
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
