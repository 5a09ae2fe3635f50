"""What ``facestats score`` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from facestats_client import Face, Interval, PersonResult, ScoreResult


def print_photo(console: Console, path: Path, result: ScoreResult) -> None:
    """Prints one photo's answer: for each face its score, what is wrong with the photo, and every measurement."""
    untrained = result.model.weights == "untrained"
    for number, face in enumerate(result.faces, start=1):
        name = f"{path}, face {number}" if len(result.faces) > 1 else str(path)
        console.print(_headline(name, face, untrained))
        quality = face.quality
        console.print(f"reliability {quality.reliability:.0f} ({quality.level})", style="dim")
        for warning in quality.warnings:
            console.print(f"! {warning}", style="yellow")
        table = Table(box=None, pad_edge=False)
        for heading in ("group", "metric", "value", "unit", "score", "percentile"):
            table.add_column(heading, justify="right" if heading in ("value", "score", "percentile") else "left")
        for metric in face.geometric.metrics:
            table.add_row(
                metric.group,
                metric.title,
                metric.reason or "-" if metric.value is None else f"{metric.value:.4g}",
                metric.unit,
                _points(metric.score),
                _points(metric.percentile),
            )
        console.print(table)
    _print_notices(console, result.notices)


def print_person(console: Console, paths: Sequence[Path], result: PersonResult) -> None:
    """Prints what several photos of one person say together, and what became of each."""
    holistic = result.holistic
    blend = _blend_words(result.score, result.blend, result.geometric.score, holistic.score if holistic else None)
    name = f"{sum(photo.used for photo in result.photos)} photos together"
    if result.model.weights == "untrained":
        console.print(_geometric_first(name, result.geometric.score, result.geometric.interval, blend))
    else:
        console.print(Text.assemble("\n", (name, "bold"), "  score ", blend, _range(result.interval)))
    table = Table(box=None, pad_edge=False)
    for heading in ("photo", "score", "geometric", "holistic", "reliability", "weight", "left out because"):
        table.add_column(heading, justify="left" if heading in ("photo", "left out because") else "right")
    for photo in result.photos:
        table.add_row(
            str(paths[photo.index]),
            *map(_points, (photo.score, photo.geometric, photo.holistic, photo.reliability)),
            f"{photo.weight:.2f}" if photo.used else "-",
            photo.reason or "",
        )
    console.print(table)
    _print_notices(console, result.notices)


def _headline(name: str, face: Face, untrained: bool) -> Text:
    geometric, holistic = face.geometric, face.holistic
    if face.quality.level == "poor":
        said = f"geometric {_points(geometric.score)}, not to be relied on"
        return Text.assemble("\n", (name, "bold"), "  no score: this photo does not support one (", said, ")")
    blend = _blend_words(face.score, face.blend, geometric.score, holistic.score if holistic else None)
    if untrained:
        return _geometric_first(name, geometric.score, geometric.interval, blend)
    return Text.assemble("\n", (name, "bold"), "  score ", blend, _range(face.interval))


def _geometric_first(name: str, score: float | None, interval: Interval | None, blend: Text) -> Text:
    """Untrained weights are not a score: the half that means something leads."""
    return Text.assemble(
        *("\n", (name, "bold"), "  geometric score ", (_points(score), "bold"), _range(interval)),
        *("\n", "only as a demonstration, with random weights: score ", blend),
    )


def _blend_words(score: float | None, blend: dict[str, float], geometric: float | None, holistic: float | None) -> Text:
    return Text.assemble(
        *((_points(score), "bold"), " = "),
        f"{blend.get('geometric', 0):g} x geometric {_points(geometric)} + ",
        f"{blend.get('holistic', 0):g} x holistic {_points(holistic)}",
    )


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"  ({interval.low:.0f} to {interval.high:.0f})"


def _print_notices(console: Console, notices: Sequence[str]) -> None:
    for notice in notices:
        console.print(notice, style="bold yellow")


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
