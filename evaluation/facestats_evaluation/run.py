"""One evaluation from ratings to report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facestats_evaluation.collection import AnswerCache, ScoredPhoto, score_photos
from facestats_evaluation.page import report_page
from facestats_evaluation.pictures import draw_pictures
from facestats_evaluation.ratings import EvaluationError, Failure, RatedPhoto, read_ratings
from facestats_evaluation.report import Evaluation, evaluate_scores, print_report
from facestats_evaluation.service import ScoringService

CACHE_NAME = "answers.jsonl"
DOCUMENT_NAME = "evaluation.json"
PAGE_NAME = "report.md"


@dataclass(frozen=True)
class EvaluationOptions:
    """What to evaluate.

    Attributes:
        images: Folder of photos.
        ratings: CSV file with the columns filename and rating.
        out: Folder for the answers, the document and the pictures; made if absent.
        url: The running gateway.
        api_key: Its API key, where one is needed.
        group_column: Column of the ratings to report by.
        sex_column: Column of the ratings that selects the parameter set.
        concurrency: Photos in flight.
        pictures: Whether to draw pictures.
        allow: Further folders below which the ratings may name photos.
    """

    images: Path
    ratings: Path
    out: Path
    url: str
    api_key: str | None = None
    group_column: str | None = None
    sex_column: str | None = None
    concurrency: int = 4
    pictures: bool = True
    allow: Sequence[Path] = ()


def run_evaluation(options: EvaluationOptions, console: Console) -> Evaluation:
    """Scores the photos, prints the report and writes it to ``options.out``.

    Raises:
        EvaluationError: The ratings cannot be used, or the service cannot be reached.
    """
    if not options.images.is_dir():
        raise EvaluationError(f"{options.images} is not a folder.")
    photos, bad_rows = read_ratings(options.ratings, group_column=options.group_column, sex_column=options.sex_column)
    options.out.mkdir(parents=True, exist_ok=True)
    with ScoringService(options.url, options.api_key) as service:
        model = service.model()
        cache = AnswerCache(options.out / CACHE_NAME, receipt=model.receipt)
        try:
            scored, failures = _score_with_progress(service, cache, photos, options, console)
        finally:
            cache.close()
    if not scored:
        first = failures[0]
        raise EvaluationError(f"no photo could be scored; the first: {first.filename}: {first.detail}")
    evaluation = evaluate_scores(model.model_dump(), options.group_column, scored, [*bad_rows, *failures])
    document = json.dumps(evaluation.document(), indent=2, allow_nan=False)
    (options.out / DOCUMENT_NAME).write_text(document + "\n", encoding="utf-8")
    pictures = draw_pictures(evaluation, scored, options.out) if options.pictures else []
    (options.out / PAGE_NAME).write_text(report_page(evaluation, pictures), encoding="utf-8")
    print_report(console, evaluation)
    written = [options.out / PAGE_NAME, options.out / DOCUMENT_NAME, *pictures]
    console.print(f"Written: {', '.join(map(str, written))}", soft_wrap=True)
    return evaluation


def _score_with_progress(
    service: ScoringService,
    cache: AnswerCache,
    photos: list[RatedPhoto],
    options: EvaluationOptions,
    console: Console,
) -> tuple[list[ScoredPhoto], list[Failure]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Scoring", total=len(photos))
        return score_photos(
            service,
            cache,
            options.images,
            photos,
            allow=options.allow,
            concurrency=options.concurrency,
            on_done=lambda: progress.advance(task),
        )
