"""The evaluation as a page to read: Markdown, with the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from facestats_evaluation.report import KINDS, Evaluation, Kind, gap_rows, interval_text, kind_rows

_TITLES: dict[Kind, str] = {"geometric": "Geometric half", "holistic": "Holistic half", "blended": "Blend"}
_CAPTIONS = {
    "scatter.png": "Each photo's score against its mean rating.",
    "calibration.png": "Mean rating in equally filled bins of the score, with standard errors.",
    "group_gaps.png": "Each group's mean in standard deviations of everybody, by people and by the score.",
}
_MODEL = ("weights", "clip", "regressor", "calibration", "precision", "receipt")


def report_page(evaluation: Evaluation, pictures: Sequence[Path]) -> str:
    """The whole page, Markdown.

    Args:
        evaluation: What was found.
        pictures: PNG files in the page's folder.
    """
    scored = evaluation.photos - len(evaluation.failures)
    parts = [
        f"# Agreement with people\n\n{scored} of {evaluation.photos} rated photos have a score. {_headline(evaluation)}"
    ]
    parts += [f"> {notice}" for notice in evaluation.model.get("notices", [])]
    for kind in KINDS:
        report = evaluation.kinds[kind]
        if report.overall.photos:
            rows = (
                (label, str(found.photos), *map(interval_text, (found.pearson, found.spearman, found.error)))
                for label, found in kind_rows(report, evaluation.group_column)
            )
            table = _table(("photos", "n", "Pearson r", "Spearman rho", "MAE"), rows)
            parts.append(f"## {_TITLES[kind]}\n\n{table}")
    parts.append(
        "In brackets: 95 % bootstrap intervals. MAE: mean absolute error after the best line from scores to ratings, "
        "in rating points; the line is fitted to the same photos and flatters."
    )
    parts += [f"![{_CAPTIONS[path.name]}]({path.name})\n\n{_CAPTIONS[path.name]}" for path in pictures]
    headings, gaps = gap_rows(evaluation)
    if gaps:
        parts.append(f"## Groups\n\nMeans against everybody, standard deviations.\n\n{_table(headings, gaps)}")
    if evaluation.failures:
        rows = ((failure.filename, failure.code, failure.detail) for failure in evaluation.failures)
        parts.append(f"## Photos without a score\n\n{_table(('photo', 'reason', 'detail'), rows)}")
    known = ((name, f"`{evaluation.model[name]}`") for name in _MODEL if name in evaluation.model)
    parts.append(f"## What answered\n\n{_table(('', 'served'), known)}")
    return "\n\n".join(parts) + "\n"


def _headline(evaluation: Evaluation) -> str:
    found = {kind: evaluation.kinds[kind].overall.pearson for kind in KINDS}
    said = [
        f"{_TITLES[kind].lower()} {interval_text(pearson)}" for kind, pearson in found.items() if pearson is not None
    ]
    return (
        f"Pearson r with the ratings: {', '.join(said)}."
        if said
        else "They are too few, or too alike, to say anything."
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
