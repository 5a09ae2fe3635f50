"""The evaluation's result: statistics for each kind of score, as a document, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from facestats_evaluation.collection import ScoredPhoto
from facestats_evaluation.ratings import Failure
from facestats_evaluation.statistics import (
    Agreement,
    Estimate,
    GroupGap,
    Values,
    agreement,
    agreement_within,
    group_gaps,
)

Kind = Literal["geometric", "holistic", "blended"]
KINDS: tuple[Kind, ...] = ("geometric", "holistic", "blended")
LEVELS = ("good", "fair", "poor")


@dataclass(frozen=True)
class KindReport:
    """Everything about one kind of score.

    Attributes:
        overall: Agreement over all photos.
        within_groups: Agreement after centring in each group; None without groups.
        groups: Agreement in each group; empty without groups.
        levels: Agreement by the photos' reliability level.
        gaps: Where each group lies by people and by the score.
    """

    overall: Agreement
    within_groups: Agreement | None
    groups: Mapping[str, Agreement]
    levels: Mapping[str, Agreement]
    gaps: Sequence[GroupGap]


@dataclass(frozen=True)
class Evaluation:
    """The result.

    Attributes:
        model: What the service said it serves.
        group_column: Column the groups come from.
        photos: Number of rated photos.
        kinds: Report of each kind of score.
        failures: Photos without scores.
    """

    model: Mapping[str, Any]
    group_column: str | None
    photos: int
    kinds: Mapping[Kind, KindReport]
    failures: Sequence[Failure]

    def document(self) -> dict[str, Any]:
        """The result as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Pairs:
    """Scores of one kind with their ratings, where the photo has both: [N] each."""

    scores: Values
    ratings: Values
    groups: list[str]
    levels: list[str]


def pairs(scored: Sequence[ScoredPhoto], kind: Kind) -> Pairs:
    """Picks the photos that have a score of this kind."""
    chosen = [(getattr(item.scores, kind), item) for item in scored if getattr(item.scores, kind) is not None]
    return Pairs(
        scores=np.array([score for score, _ in chosen], np.float64),
        ratings=np.array([item.photo.rating for _, item in chosen], np.float64),
        groups=[item.photo.group or "" for _, item in chosen],
        levels=[item.scores.level for _, item in chosen],
    )


def evaluate_scores(
    model: Mapping[str, Any], group_column: str | None, scored: Sequence[ScoredPhoto], failures: Sequence[Failure]
) -> Evaluation:
    """Computes all statistics."""
    return Evaluation(
        model=model,
        group_column=group_column,
        photos=len(scored) + len(failures),
        kinds={kind: _kind_report(pairs(scored, kind), grouped=group_column is not None) for kind in KINDS},
        failures=failures,
    )


def _kind_report(data: Pairs, *, grouped: bool) -> KindReport:
    return KindReport(
        overall=agreement(data.scores, data.ratings),
        within_groups=agreement_within(data.scores, data.ratings, data.groups) if grouped and data.groups else None,
        groups=_by(data, data.groups) if grouped else {},
        levels=_by(data, data.levels),
        gaps=group_gaps(data.scores, data.ratings, data.groups) if grouped else [],
    )


def _by(data: Pairs, labels: Sequence[str]) -> dict[str, Agreement]:
    names = np.array(labels)
    return {name: agreement(data.scores[names == name], data.ratings[names == name]) for name in sorted(set(labels))}


def print_report(console: Console, evaluation: Evaluation) -> None:
    """Prints the tables."""
    for kind, report in evaluation.kinds.items():
        if not report.overall.photos:
            console.print(f"No photo has a {kind} score.", style="yellow")
            continue
        table = Table(
            title=f"Agreement of the {kind} score with people", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
        )
        table.add_column("photos", no_wrap=True)
        for heading in ("n", "Pearson r", "Spearman rho", "MAE"):
            table.add_column(heading, justify="right", no_wrap=True)
        for label, found in kind_rows(report, evaluation.group_column):
            table.add_row(label, str(found.photos), *map(interval_text, (found.pearson, found.spearman, found.error)))
        console.print(table)
    _print_gaps(console, evaluation)
    console.print("In brackets: 95 % bootstrap intervals. MAE: after the best line, in rating points.", style="dim")
    for failure in evaluation.failures:
        console.print(f"no score: {failure.filename}: {failure.code}: {failure.detail}", style="yellow", markup=False)
    for notice in evaluation.model.get("notices", []):
        console.print(str(notice), style="bold yellow", markup=False)


def kind_rows(report: KindReport, group_column: str | None) -> list[tuple[str, Agreement]]:
    """What a table of one kind of score shows, by label: all photos, within groups, each group, each level."""
    rows = [("all", report.overall)]
    if report.within_groups is not None:
        rows.append((f"within {group_column}", report.within_groups))
    rows += [(name, found) for name, found in report.groups.items()]
    rows += [(f"{name} photos", report.levels[name]) for name in LEVELS if name in report.levels]
    return rows


def interval_text(estimate: Estimate | None) -> str:
    """A figure with its interval; ``-`` where nothing can be said."""
    return "-" if estimate is None else f"{estimate.value:.2f} [{estimate.low:.2f},{estimate.high:.2f}]"


def gap_rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the groups' table; no rows without groups."""
    gaps = {kind: evaluation.kinds[kind].gaps for kind in KINDS if evaluation.kinds[kind].gaps}
    headings = [str(evaluation.group_column), "n", "people", *gaps]
    rows = []
    for row in next(iter(gaps.values()), ()):
        scores = [next((gap.score for gap in gaps[kind] if gap.group == row.group), None) for kind in gaps]
        cells = ["-" if score is None else f"{score:+.2f}" for score in scores]
        rows.append([row.group, str(row.photos), f"{row.human:+.2f}", *cells])
    return headings, rows


def _print_gaps(console: Console, evaluation: Evaluation) -> None:
    headings, rows = gap_rows(evaluation)
    if not rows:
        return
    title = "Group means against everybody, standard deviations"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == headings[0] else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
