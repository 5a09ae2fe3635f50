"""``facestats tune``: measures this machine and keeps the best settings for ``facestats up``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from facestats.errors import FaceStatsError
from facestats.places import REPOSITORY_HELP, default_repository, example_photo
from facestats_cli.unshipped import require_benchmarks
from facestats_cli.up import ensure_exported


def tune(
    repository: Annotated[
        Path,
        typer.Option(default_factory=default_repository, show_default=REPOSITORY_HELP, help="Exported models."),
    ],
    photo: Annotated[
        Path | None, typer.Option(help="Photo of one face to measure with.", show_default="the example")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each candidate.")] = 2,
    seconds: Annotated[float, typer.Option(min=1, help="Length of one measurement.")] = 5.0,
) -> None:
    """Measures threads, instances, batch delay and gateway threads here, and keeps the best for `facestats up`.

    Needs Locust: `make load-generator`, or any `locust` on the PATH.
    """
    require_benchmarks()
    from benchmarks.gateway_load import LoadError, locust_command
    from benchmarks.stacks import StackError
    from benchmarks.tuning import Tuner
    from benchmarks.workload import Workload
    from facestats_local_triton.tuning import TUNING_FILE, apply_tuning, conditions, save_tuning

    console = Console(markup=False, stderr=True, highlight=False)
    try:
        locust_command()
    except LoadError as error:
        raise FaceStatsError(str(error)) from None
    ensure_exported(repository, console)
    # An earlier tuning must not decide about this one.
    (repository / TUNING_FILE).unlink(missing_ok=True)
    apply_tuning(repository, None)
    cores = len(os.sched_getaffinity(0))
    tuner = Tuner(
        repository, Workload(photo or example_photo()), cores, rounds=rounds, seconds=seconds, progress=console.print
    )
    try:
        tuning, trials = tuner.run()
    except (LoadError, StackError) as error:
        raise FaceStatsError(str(error)) from None
    path = save_tuning(repository, tuning, conditions(repository), [trial.document() for trial in trials])
    console.print(f"Best: {tuning}", style="bold")
    console.print(f"Kept in {path}; `facestats up` uses it on {cores} cores, for this export.")
