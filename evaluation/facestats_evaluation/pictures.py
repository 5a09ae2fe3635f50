"""Pictures of an evaluation: scatter, calibration and group gaps."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facestats_evaluation.collection import ScoredPhoto
from facestats_evaluation.report import KINDS, Evaluation, Kind, Pairs, pairs
from facestats_evaluation.statistics import Agreement

_BINS = 10
_FEWEST_IN_BIN = 12
"""Fewer make the mean rating of a bin a matter of luck."""

_SCORE_COLOUR, _HUMAN_COLOUR, _NOTICE_COLOUR = "#2a6f97", "#e07a5f", "#b45309"
_KIND_COLOURS: dict[Kind, str] = {"geometric": "#2a6f97", "holistic": "#8ab6d6", "blended": "#6a4c93"}
_BAR = 0.8
"""Height of a group's bars together; the rest of its row is left empty."""


def draw_pictures(evaluation: Evaluation, scored: Sequence[ScoredPhoto], folder: Path) -> list[Path]:
    """Draws the pictures that the data allow.

    Returns:
        The PNG files written.
    """
    data = {kind: pairs(scored, kind) for kind in KINDS}
    shown = [kind for kind in KINDS if evaluation.kinds[kind].overall.pearson is not None]
    if not shown:
        return []
    written = [
        _save(
            evaluation,
            _panels(shown, lambda axes, kind: _scatter(axes, evaluation, data[kind], kind)),
            folder / "scatter.png",
        ),
        _save(
            evaluation,
            _panels(shown, lambda axes, kind: _calibration(axes, data[kind], kind)),
            folder / "calibration.png",
        ),
    ]
    with_gaps = [kind for kind in shown if evaluation.kinds[kind].gaps]
    if with_gaps:
        written.append(_save(evaluation, _gaps(evaluation, with_gaps), folder / "group_gaps.png"))
    return written


def _panels(kinds: Sequence[Kind], draw: Callable[[Axes, Kind], None]) -> Figure:
    """One panel a kind of score, all with the same scale of ratings."""
    figure = Figure(figsize=(5 * len(kinds), 5.2), layout="constrained")
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axes, kind in zip(panels, kinds, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(-2, 102)
        axes.tick_params(labelleft=True)
        draw(axes, kind)
    return figure


def _save(evaluation: Evaluation, figure: Figure, path: Path) -> Path:
    """Writes the picture, which says what was served: it may be looked at without the report."""
    model = evaluation.model
    figure.supxlabel(
        f"weights {model.get('weights')}, calibration {model.get('calibration')}, precision {model.get('precision')}, "
        f"receipt {str(model.get('receipt'))[:20]}",
        fontsize=8,
        color="#666666",
    )
    notices = textwrap.wrap(" ".join(map(str, model.get("notices", []))), round(figure.get_figwidth() * 11))
    if notices:
        figure.suptitle("\n".join(notices), fontsize=10, color=_NOTICE_COLOUR)
    figure.savefig(path, dpi=150)
    return path


def _scatter(axes: Axes, evaluation: Evaluation, data: Pairs, kind: Kind) -> None:
    overall = evaluation.kinds[kind].overall
    palette = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    names = np.array(data.groups)
    for index, group in enumerate(sorted(set(data.groups))):
        chosen = names == group
        colour = palette[index % len(palette)] if group else _SCORE_COLOUR
        # Scores at the very ends of the scale are shown whole.
        axes.scatter(
            data.scores[chosen], data.ratings[chosen], s=22, alpha=0.7, color=colour, label=group, lw=0, clip_on=False
        )
    if overall.slope is not None and overall.intercept is not None:
        ends = np.array([data.scores.min(), data.scores.max()])
        axes.plot(ends, overall.intercept + overall.slope * ends, color="#222222", lw=1.5)
    title = f"{kind}, n = {overall.photos}: r = {_interval(overall)}"
    within = evaluation.kinds[kind].within_groups
    if within is not None and within.pearson is not None:
        title += f"\nwithin {evaluation.group_column}: r = {_interval(within)}"
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(f"{kind} score")
    axes.set_ylabel("human rating")
    if evaluation.group_column is not None:
        axes.legend(fontsize=8, loc="lower right")


def _interval(found: Agreement) -> str:
    r = found.pearson
    return "-" if r is None else f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"


def _calibration(axes: Axes, data: Pairs, kind: Kind) -> None:
    """Mean rating in equally filled bins of the score, with standard errors."""
    bins = min(_BINS, len(data.scores) // _FEWEST_IN_BIN)
    parts = np.array_split(np.argsort(data.scores, kind="stable"), max(bins, 1))
    centres = [data.scores[part].mean() for part in parts]
    means = [data.ratings[part].mean() for part in parts]
    errors = [data.ratings[part].std(ddof=1) / np.sqrt(len(part)) for part in parts]
    axes.errorbar(centres, means, yerr=errors, fmt="o-", color=_SCORE_COLOUR, capsize=3, lw=1.2)
    axes.axhline(data.ratings.mean(), color="#999999", lw=1, ls="--", label="mean rating of all")
    axes.set_title(f"{kind}: mean rating and standard error, {len(parts)} bins", fontsize=11)
    axes.set_xlabel(f"mean {kind} score of the bin")
    axes.set_ylabel("mean human rating")
    axes.legend(fontsize=8, frameon=False)


def _gaps(evaluation: Evaluation, kinds: Sequence[Kind]) -> Figure:
    """Each group's mean by people and by each kind of score, side by side."""
    first = evaluation.kinds[kinds[0]].gaps
    names = [gap.group for gap in first]
    bars = [("people", _HUMAN_COLOUR, {gap.group: gap.human for gap in first})]
    bars += [
        (f"{kind} score", _KIND_COLOURS[kind], {gap.group: gap.score for gap in evaluation.kinds[kind].gaps})
        for kind in kinds
    ]
    figure = Figure(figsize=(8, 2.2 + 0.9 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    thickness = _BAR / len(bars)
    for index, (label, colour, means) in enumerate(bars):
        places = np.arange(len(names)) + (index - (len(bars) - 1) / 2) * thickness
        axes.barh(places, [means.get(name, np.nan) for name in names], 0.9 * thickness, color=colour, label=label)
    axes.set_yticks(np.arange(len(names)), [f"{gap.group} (n = {gap.photos})" for gap in first])
    axes.axvline(0, color="#222222", lw=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("mean against everybody, standard deviations")
    axes.set_title(f"gaps between groups ({evaluation.group_column})", fontsize=11)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
