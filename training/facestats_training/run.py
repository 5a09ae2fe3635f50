"""One training from ratings to a written regressor and its report."""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facestats_export.calibration import measure_calibration
from facestats_export.errors import ExportError
from facestats_export.regressor import TRAINING_REPORT
from facestats_training.candidates import candidates
from facestats_training.errors import TrainingError
from facestats_training.photos import see_photos
from facestats_training.pictures import draw_pictures
from facestats_training.rated import FEWEST_PHOTOS, RatedEmbeddings, checked, load_rated_embeddings
from facestats_training.ratings import read_ratings_table
from facestats_training.reliability import Reliability
from facestats_training.report import WORTHLESS, report_document
from facestats_training.selection import (
    CURVE_SHARES,
    FOLDS,
    Factors,
    cross_validate,
    fit_all,
    fits,
    learning_curve,
)
from facestats_training.state_dict import write_state_dict
from facestats_training.text import report_markdown, statement

REGRESSOR_FILE = "regressor.pt"
CALIBRATION_FILE = "calibration.json"
PREDICTIONS_FILE = "out_of_fold.csv"
MEMORY_FILE = "embeddings.jsonl"


@dataclass(frozen=True)
class PhotoSource:
    """Rated photos, and the running service that makes embeddings of them.

    Attributes:
        ratings: CSV file, see ``read_ratings_table``.
        images: Folder that its file names are below.
        url: The gateway.
        api_key: Its key, where one is needed.
        concurrency: Photos in flight.
    """

    ratings: Path
    images: Path
    url: str
    api_key: str | None = None
    concurrency: int = 4


@dataclass(frozen=True)
class TrainingOptions:
    """What to train on and how.

    Attributes:
        source: Photos, or an NPZ file of embeddings.
        out: Folder for what is written; made if absent.
        name: Of the source, for the report and the provenance.
        center_groups: Whether mean differences between groups are taken out of the targets.
        keep_sex_means: Whether mean differences between the sexes stay in the targets.
        least: Fewest photos.
        pictures: Whether to draw pictures.
    """

    source: PhotoSource | Path
    out: Path
    name: str
    center_groups: bool = False
    keep_sex_means: bool = False
    least: int = FEWEST_PHOTOS
    pictures: bool = True


def run_training(options: TrainingOptions, console: Console) -> dict[str, Any]:
    """Trains, judges and writes ``regressor.pt``, ``calibration.json``, the report and the pictures.

    Returns:
        The report.

    Raises:
        TrainingError: There is too little to learn from, or the photos cannot be seen.
    """

    def warn(sentence: str) -> None:
        warnings.append(sentence)
        console.print(sentence, style="yellow", soft_wrap=True)

    warnings: list[str] = []
    options.out.mkdir(parents=True, exist_ok=True)
    raters = None
    with _progress(console) as stage:
        if isinstance(options.source, PhotoSource):
            data, raters = _see(options.source, options.out / MEMORY_FILE, warn, stage)
        else:
            data = load_rated_embeddings(options.source)
        data = checked(data, warn, options.least)
        factors = _factors(data, options)
        kinds = candidates()
        result = cross_validate(data, factors, kinds, stage("Cross-validating", fits(kinds)))
        final = next(kind for kind in kinds if kind.name == result.final)
        advance = stage("Learning curve", FOLDS * len(CURVE_SHARES))
        curve = learning_curve(data, factors, final, result, advance)
        advance = stage("Training on all photos", 1)
        write_state_dict(fit_all(final, data, factors), options.out / REGRESSOR_FILE)
        advance()
        advance = stage("Judging", 1)
        sha256 = hashlib.sha256((options.out / REGRESSOR_FILE).read_bytes()).hexdigest()
        report = report_document(data, factors, result, kinds, curve, raters)
        advance()
    report |= {
        "source": options.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "centered": [*(["sex"] if _centres_sex(data, options) else []), *(["group"] if options.center_groups else [])],
        "warnings": warnings,
        "regressor_sha256": sha256,
    }
    report["statement"] = statement(report)
    _write_calibration(report, result.prediction, options.out / CALIBRATION_FILE)
    _write_predictions(data, result.fold, result.prediction, options.out / PREDICTIONS_FILE)
    text = json.dumps(report, indent=1, allow_nan=False)
    (options.out / TRAINING_REPORT).write_text(text + "\n", encoding="utf-8")
    pictures = draw_pictures(report, data, result.prediction, options.out) if options.pictures else []
    (options.out / "report.md").write_text(report_markdown(report, [path.name for path in pictures]), encoding="utf-8")
    return report


def is_worthless(report: dict[str, Any]) -> bool:
    """Whether nothing shows that the regressor predicts ratings."""
    return bool(report["verdict"] == WORTHLESS)


def _see(
    source: PhotoSource, memory: Path, warn: Callable[[str], None], stage: Callable[[str, int], Callable[[], None]]
) -> tuple[RatedEmbeddings, Reliability | None]:
    from facestats_client import FaceStatsClient

    table = read_ratings_table(source.ratings, warn)
    if not source.images.is_dir():
        raise TrainingError(f"'{source.images}' is not a folder.")
    sexes = [None] * len(table.filename) if table.sex is None else table.sex.tolist()
    photos = [source.images / name for name in table.filename]
    with FaceStatsClient(source.url, api_key=source.api_key) as client:
        advance = stage("Looking at the photos", len(photos))
        seen = see_photos(client, memory, photos, sexes, concurrency=source.concurrency, advance=advance)
    refused = [(name, item.refusal) for name, item in zip(table.filename, seen, strict=True) if item.embedding is None]
    if refused:
        warn(f"{len(refused)} photos have no embedding and are left out; the first: {refused[0][0]}: {refused[0][1]}")
    there = np.array([item.embedding is not None for item in seen])
    if not there.any():
        raise TrainingError("no photo has an embedding.")
    return (
        RatedEmbeddings(
            embedding=np.stack([item.embedding for item in seen if item.embedding is not None]),
            rating=table.rating[there],
            filename=np.array(table.filename)[there],
            sex=None if table.sex is None else table.sex[there],
            group=None if table.group is None else table.group[there],
            geometric=np.array([item.geometric for item in seen])[there],
            photo=np.arange(int(there.sum())),
        ),
        table.reliability,
    )


def _centres_sex(data: RatedEmbeddings, options: TrainingOptions) -> bool:
    return data.sex is not None and not options.keep_sex_means


def _factors(data: RatedEmbeddings, options: TrainingOptions) -> Factors:
    factors = []
    if _centres_sex(data, options):
        factors.append(data.sex)
    if options.center_groups:
        if data.group is None:
            raise TrainingError("--center-groups needs the groups of the photos ('group').")
        factors.append(data.group)
    return tuple(labels for labels in factors if labels is not None)


def _write_calibration(report: dict[str, Any], prediction: np.ndarray[Any, np.dtype[np.float64]], path: Path) -> None:
    """Percentiles among the photos as unseen ones: predictions for photos learnt from would lie wider."""
    try:
        measure_calibration(
            f"{report['source']}-{report['n']}",
            report["regressor_sha256"],
            f"out-of-fold predictions of the {report['n']} photos of {report['source']} that it was trained on",
            prediction,
        ).save(path)
    except ExportError as error:
        raise TrainingError(f"the regressor tells no photo from another, so it has no scale ({error})") from error


def _write_predictions(
    data: RatedEmbeddings,
    fold: np.ndarray[Any, np.dtype[np.intp]],
    prediction: np.ndarray[Any, np.dtype[np.float64]],
    path: Path,
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "rating", "fold", "prediction"])
        writer.writerows(
            zip(data.filename.tolist(), data.rating.tolist(), fold.tolist(), prediction.tolist(), strict=True)
        )


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Progress by stages; a stage's advance may be called from any thread."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:

        def stage(description: str, total: int) -> Callable[[], None]:
            task = progress.add_task(description, total=total)
            return lambda: progress.advance(task)

        yield stage
