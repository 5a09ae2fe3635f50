"""Pictures of a training: predictions against ratings, the learning curve, gaps and the blend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from facestats_training.rated import RatedEmbeddings

_SCORE_COLOUR, _HUMAN_COLOUR = "#2a6f97", "#e07a5f"
_DEFAULT_SHARE = 0.4


def draw_pictures(
    report: dict[str, Any], data: RatedEmbeddings, prediction: NDArray[np.float64], folder: Path
) -> list[Path]:
    """Draws what the data allow.

    Args:
        report: The report's document.
        data: What was learnt from.
        prediction: [N] out-of-fold predictions.
        folder: Where to.

    Returns:
        The PNG files written.
    """
    written = [_save(_scatter(report, data, prediction), folder / "out_of_fold.png")]
    written.append(_save(_curve(report), folder / "learning_curve.png"))
    written += [
        _save(_gaps(name, gaps), folder / f"gaps_by_{name}.png") for name, gaps in report["gaps"].items() if gaps
    ]
    if report["blend"] is not None:
        written.append(_save(_blend(report), folder / "blend.png"))
    return written


def _scatter(report: dict[str, Any], data: RatedEmbeddings, prediction: NDArray[np.float64]) -> Figure:
    figure, axes = _one("predicted without the photo", "mean human rating")
    labels = np.full(len(data), "all") if data.sex is None else data.sex
    for label in np.unique(labels).tolist():
        axes.scatter(prediction[labels == label], data.rating[labels == label], s=9, alpha=0.5, label=label or "(none)")
    axes.legend()
    axes.set_title(report["statement"], fontsize=8, wrap=True)
    return figure


def _curve(report: dict[str, Any]) -> Figure:
    figure, axes = _one("photos trained on", "out-of-fold r")
    points = report["learning_curve"]
    axes.plot([point["photos"] for point in points], [point["r"] for point in points], "o-", color=_SCORE_COLOUR)
    if report["raters"] is not None:
        axes.axhline(report["raters"]["ceiling"], color=_HUMAN_COLOUR, linestyle="--", label="agreement of the raters")
        axes.legend()
    return figure


def _gaps(name: str, gaps: list[dict[str, Any]]) -> Figure:
    figure, axes = _one("mean, standard deviations of everybody", name)
    rows = np.arange(len(gaps))
    axes.barh(rows - 0.2, [gap["human"] for gap in gaps], 0.4, color=_HUMAN_COLOUR, label="ratings")
    axes.barh(rows + 0.2, [gap["score"] for gap in gaps], 0.4, color=_SCORE_COLOUR, label="score, out of fold")
    axes.set_yticks(rows, [f"{gap['group'] or '(none)'} ({gap['photos']})" for gap in gaps])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.legend()
    return figure


def _blend(report: dict[str, Any]) -> Figure:
    figure, axes = _one("share of the holistic half", "r of the blend")
    axes.plot(
        [point["holistic"] for point in report["blend"]],
        [point["r"] for point in report["blend"]],
        "o-",
        color=_SCORE_COLOUR,
    )
    axes.axvline(_DEFAULT_SHARE, color="grey", linestyle="--", label="the default")
    axes.legend()
    return figure


def _one(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes: Axes = figure.subplots()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    return path
