"""``facestats evaluate``: how well the running service agrees with human ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def evaluate(
    images: Annotated[Path, typer.Option(help="Folder of photos.")],
    ratings: Annotated[Path, typer.Option(help="CSV file with the columns filename and rating.")],
    group: Annotated[str | None, typer.Option(help="Column of the ratings to report by.", metavar="COLUMN")] = None,
    sex_column: Annotated[
        str | None,
        typer.Option(help="Column with female or male: the parameter set; pooled if absent.", metavar="COLUMN"),
    ] = None,
    allow: Annotated[
        list[Path] | None,
        typer.Option(help="Folder below which the ratings may name photos too. May be repeated.", metavar="FOLDER"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report; a later run continues there.")] = Path(
        "facestats-evaluation"
    ),
    url: Annotated[str, typer.Option(envvar="FACESTATS_URL", help="The gateway.")] = "http://127.0.0.1:8080",
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Photos in flight.")] = 4,
    pictures: Annotated[bool, typer.Option(help="Draw scatter, calibration and group gaps.")] = True,
    api_key: Annotated[str | None, typer.Option(envvar="FACESTATS_API_KEY", help="API key, if one is needed.")] = None,
) -> None:
    """Scores rated photos through the running service and reports how well it agrees with people."""
    from facestats_evaluation.run import EvaluationOptions, run_evaluation

    options = EvaluationOptions(
        images, ratings, out, url, api_key, group, sex_column, concurrency, pictures, allow or ()
    )
    run_evaluation(options, Console(markup=False))
