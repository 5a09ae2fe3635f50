"""``facestats bulk``: scores collections of photos into Parquet, on this machine or a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from facestats.faces.options import Crop, Extra, Faces, ScoreOptions
from facestats.geometry import CaptureMode, Sex
from facestats.places import REPOSITORY_HELP, default_repository
from facestats_bulk.errors import BulkError

if TYPE_CHECKING:
    from facestats_bulk.blocks import Receipt
    from facestats_bulk.run import BulkOptions, Summary


def bulk(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Folders, globs, image files and Parquet files (paths or URLs); at last the output's folder.",
            metavar="INPUT... OUTPUT",
        ),
    ],
    repository: Annotated[
        Path,
        typer.Option(
            default_factory=default_repository,
            show_default=REPOSITORY_HELP,
            help="Model repository whose live version runs in the workers.",
        ),
    ],
    column: Annotated[
        str | None, typer.Option(help="Column of Parquet files with image bytes or paths (image, bytes or path).")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of Parquet files with each image's id.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder or URL below which rows of Parquet files may name images too; else only below their input. "
            "May be repeated.",
            metavar="ROOT",
        ),
    ] = None,
    crop: Annotated[Crop, typer.Option(help="What CLIP sees.")] = "aligned",
    faces: Annotated[Faces, typer.Option(help="Faces of a photo to score.")] = "largest",
    sex: Annotated[Sex | None, typer.Option(help="Parameter set; pooled if absent.")] = None,
    capture: Annotated[CaptureMode, typer.Option(help="Two-pass or one-pass landmarks.")] = "stable",
    include: Annotated[
        str, typer.Option(help="Further parts of the answer, with commas: landmarks, embedding, overlay.")
    ] = "",
    triton_urls: Annotated[
        str | None, typer.Option(help="Let Triton at these gRPC addresses run the models instead.", metavar="HOST:PORT")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to run on; by default this machine alone.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes (as many as there are CPUs for).")
    ] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="CPUs of each worker (up to 4).")] = None,
    rows_per_file: Annotated[int, typer.Option(min=1, help="Most rows of an output file.")] = 128,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds for which a failing model server or file system is tried again.")
    ] = 120.0,
) -> None:
    """Scores many images into Parquet files, one row an image; a second run does only what is missing."""
    from pydantic import ValidationError

    from facestats.environment import settings_problem
    from facestats.settings import ScoringSettings
    from facestats_bulk.run import BulkOptions

    if len(paths) < 2:
        raise BulkError("give at least one input, and the output's folder as the last argument.")
    try:
        settings = ScoringSettings() if triton_urls is None else ScoringSettings(triton_urls=triton_urls)
    except ValidationError as error:
        raise BulkError(settings_problem(error)) from None
    options = BulkOptions(
        inputs=paths[:-1],
        output=paths[-1],
        score=ScoreOptions(crop, faces == "all", sex, capture, _parse_include(include)),
        repository=repository,
        use_triton=triton_urls is not None,
        column=column,
        id_column=id_column,
        address=address,
        workers=workers,
        cpus=cpus,
        rows_per_file=rows_per_file,
        patience=patience,
        settings=settings,
        allow=allow or (),
    )
    summary = run_with_progress(options, Console(markup=False, stderr=True, highlight=False))
    print_summary(summary, Console(markup=False, highlight=False))
    if summary.missing:
        raise BulkError(f"{summary.missing:,} inputs have no row; run again to go on with them.")


def _parse_include(text: str) -> frozenset[Extra]:
    names = {name.strip() for name in text.split(",") if name.strip()}
    unknown = names - set(get_args(Extra))
    if unknown:
        raise BulkError(f"--include knows {', '.join(get_args(Extra))}; not {', '.join(sorted(unknown))}.")
    return frozenset(extra for extra in get_args(Extra) if extra in names)


def run_with_progress(options: BulkOptions, console: Console) -> Summary:
    """Runs with a progress bar; its total is what has been found so far."""
    from facestats_bulk.run import run_bulk

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("Listing", total=None, rate="")

        def observe(summary: Summary, receipt: Receipt | None) -> None:
            progress.update(
                task,
                description="Scoring",
                total=summary.inputs,
                completed=summary.done_before + summary.written,
                rate=f"{summary.rate:.1f}/s" if receipt is not None else "",
            )

        return run_bulk(options, observe)


def print_summary(summary: Summary, console: Console) -> None:
    """The table at the end of a run."""
    from facestats_bulk.locations import printable

    table = Table(title="nothing to do" if not summary.written else "scored", show_header=False)
    table.add_row("inputs", f"{summary.inputs:,}" + (f" ({summary.repeated:,} repeated)" if summary.repeated else ""))
    if summary.skipped:
        what = f"{summary.skipped:,} files not named like an image, such as {printable(summary.first_skipped)}"
        table.add_row("left out", what)
    table.add_row("done before", f"{summary.done_before:,}")
    table.add_row("scored", f"{summary.scored:,}")
    for code, count in summary.problems.most_common():
        table.add_row(f"problem: {code}", f"{count:,}")
    if summary.pool is not None:
        table.add_row("workers", f"{summary.pool.workers} x {summary.pool.cpus} CPUs, {len(summary.nodes)} node(s)")
        table.add_row("time", f"{summary.seconds:.1f} s")
        table.add_row("throughput", f"{summary.rate:.1f} images/s")
    table.add_row("output", f"{printable(summary.output)} ({summary.files:,} new files)")
    console.print(table, soft_wrap=True)
    if summary.weights == "untrained":
        console.print("The holistic half was computed with untrained (random) weights and means nothing.", style="bold")
