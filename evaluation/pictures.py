"""Pictures of an evaluation: scatter, calibration and group gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.collection import ScoredPhoto
from evaluation.report import KINDS, Evaluation, Kind, Pairs, pairs

_BINS = 10
_FEWEST_IN_BIN = 5
_SCORE_COLOUR, _HUMAN_COLOUR = "#2a6f97", "#e07a5f"


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
        _save(_panels(shown, lambda axes, kind: _scatter(axes, evaluation, data[kind], kind)), folder / "scatter.png"),
        _save(_panels(shown, lambda axes, kind: _calibration(axes, data[kind], kind)), folder / "calibration.png"),
    ]
    with_gaps = [kind for kind in shown if evaluation.kinds[kind].gaps]
    if with_gaps:
        figure = _panels(with_gaps, lambda axes, kind: _gaps(axes, evaluation, kind))
        written.append(_save(figure, folder / "group_gaps.png"))
    return written


def _panels(kinds: Sequence[Kind], draw: Callable[[Axes, Kind], None]) -> Figure:
    figure = Figure(figsize=(5 * len(kinds), 4.8), layout="constrained")
    for index, kind in enumerate(kinds):
        axes = figure.add_subplot(1, len(kinds), index + 1)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, kind)
    return figure


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=150)
    return path


def _scatter(axes: Axes, evaluation: Evaluation, data: Pairs, kind: Kind) -> None:
    overall = evaluation.kinds[kind].overall
    palette = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    names = np.array(data.groups)
    for index, group in enumerate(sorted(set(data.groups))):
        chosen = names == group
        colour = palette[index % len(palette)] if group else _SCORE_COLOUR
        axes.scatter(data.scores[chosen], data.ratings[chosen], s=16, alpha=0.6, color=colour, label=group, lw=0)
    if overall.slope is not None and overall.intercept is not None:
        ends = np.array([data.scores.min(), data.scores.max()])
        axes.plot(ends, overall.intercept + overall.slope * ends, color="#222222", lw=1.5)
    if overall.pearson is not None:
        r = overall.pearson
        axes.set_title(f"{kind}: r = {r.value:.2f} [{r.low:.2f}, {r.high:.2f}], n = {overall.photos}", fontsize=11)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"{kind} score")
    axes.set_ylabel("human rating")
    if evaluation.group_column is not None:
        axes.legend(fontsize=8, frameon=False)


def _calibration(axes: Axes, data: Pairs, kind: Kind) -> None:
    """Mean rating in equally filled bins of the score, with standard errors."""
    bins = min(_BINS, len(data.scores) // _FEWEST_IN_BIN)
    parts = np.array_split(np.argsort(data.scores, kind="stable"), max(bins, 1))
    centres = [data.scores[part].mean() for part in parts]
    means = [data.ratings[part].mean() for part in parts]
    errors = [data.ratings[part].std(ddof=1) / np.sqrt(len(part)) for part in parts]
    axes.errorbar(centres, means, yerr=errors, fmt="o-", color=_SCORE_COLOUR, capsize=3, lw=1.2)
    axes.axhline(data.ratings.mean(), color="#999999", lw=1, ls="--", label="mean rating of all")
    axes.set_title(f"{kind}: mean rating by score, {len(parts)} bins", fontsize=11)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"mean {kind} score of the bin")
    axes.set_ylabel("mean human rating")
    axes.legend(fontsize=8, frameon=False)


def _gaps(axes: Axes, evaluation: Evaluation, kind: Kind) -> None:
    gaps = evaluation.kinds[kind].gaps
    places = np.arange(len(gaps))
    axes.barh(places + 0.2, [gap.human for gap in gaps], 0.38, color=_HUMAN_COLOUR, label="people")
    axes.barh(places - 0.2, [gap.score for gap in gaps], 0.38, color=_SCORE_COLOUR, label=f"{kind} score")
    axes.set_yticks(places, [f"{gap.group} (n = {gap.photos})" for gap in gaps])
    axes.axvline(0, color="#222222", lw=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("mean against everybody, standard deviations")
    axes.set_title(f"{kind}: gaps between groups", fontsize=11)
    axes.legend(fontsize=8, frameon=False)
