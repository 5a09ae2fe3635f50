"""``facestats train``: a regressor of one's own, from rated photos or embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from facestats.errors import FaceStatsError
from facestats.places import REPOSITORY_HELP, default_repository

if TYPE_CHECKING:
    from facestats_training.run import TrainingOptions


def train(
    repository: Annotated[
        Path,
        typer.Option(
            default_factory=default_repository, show_default=REPOSITORY_HELP, help="Where --publish exports to."
        ),
    ],
    ratings: Annotated[
        Path | None, typer.Argument(help="CSV file: filename, rating, optionally rater, sex, group.", metavar="RATINGS")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the rated photos.")] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="NPZ file in place of photos: embedding, rating, optionally sex, group, filename."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the regressor, its calibration and the report.")] = Path(
        "facestats-training"
    ),
    source: Annotated[
        str | None, typer.Option(help="Name of the data in the provenance; the file's by default.")
    ] = None,
    center_groups: Annotated[
        bool, typer.Option("--center-groups", help="Take mean differences between groups out of the targets.")
    ] = False,
    keep_sex_means: Annotated[
        bool, typer.Option("--keep-sex-means", help="Leave mean differences between the sexes in the targets.")
    ] = False,
    least: Annotated[int, typer.Option(min=20, help="Fewest photos to train on.")] = 100,
    pictures: Annotated[bool, typer.Option(help="Draw pictures.")] = True,
    url: Annotated[str, typer.Option(envvar="FACESTATS_URL", help="The gateway.")] = "http://127.0.0.1:8080",
    api_key: Annotated[str | None, typer.Option(envvar="FACESTATS_API_KEY", help="API key, if one is needed.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Photos in flight.")] = 4,
    publish: Annotated[bool, typer.Option("--publish", help="Export it, with proof, to the model repository.")] = False,
    weights: Annotated[
        str, typer.Option(envvar="FACESTATS_WEIGHTS", help="CLIP's for --publish, as of `facestats export`.")
    ] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Publish even a regressor that is worthless.")] = False,
) -> None:
    """Trains a regressor on human ratings and reports how well it does on photos it has not seen."""
    from facestats_training.run import PhotoSource, TrainingOptions, is_worthless, run_training

    given: PhotoSource | Path
    if embeddings is not None and ratings is None and images is None:
        given, name = embeddings, source or embeddings.stem
    elif embeddings is None and ratings is not None and images is not None:
        given, name = PhotoSource(ratings, images, url, api_key, concurrency), source or ratings.stem
    else:
        raise FaceStatsError("give RATINGS and --images, or --embeddings alone.")
    options = TrainingOptions(given, out, name, center_groups, keep_sex_means, least, pictures)
    console = Console(stderr=True, markup=False, highlight=False)
    report = run_training(options, console)
    worthless = is_worthless(report)
    show(report, options, console, worthless)
    if publish and worthless and not force:
        raise FaceStatsError("a worthless regressor is not published; --force would.")
    if publish:
        publish_regressor(out, repository, weights)


def show(report: dict[str, Any], options: TrainingOptions, console: Console, worthless: bool) -> None:
    """The outcome on a few lines."""
    verdict = ": worthless, for the interval reaches down to 0." if worthless else "."
    console.print(report["statement"] + verdict, style="bold red" if worthless else "green", soft_wrap=True)
    console.print(f"Candidate: {report['candidate']}. Written: {options.out} (report.md).", soft_wrap=True)


def publish_regressor(out: Path, repository: Path, weights: str) -> None:
    """Exports the regressor with its calibration, as ``facestats export`` does unless told otherwise."""
    from facestats_export.options import ExportOptions
    from facestats_export.run import export_models
    from facestats_export.summary import print_summary
    from facestats_training.run import CALIBRATION_FILE, REGRESSOR_FILE

    console = Console(stderr=True, highlight=False, markup=False)
    options = ExportOptions(
        weights=weights,
        regressor=str(out / REGRESSOR_FILE),
        calibration=out / CALIBRATION_FILE,
        output=repository,
    )
    print_summary(export_models(options, console), console)
