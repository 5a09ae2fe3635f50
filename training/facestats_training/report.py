"""What training found, as numbers: the statistics of out-of-fold predictions and how the regressor came to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from facestats_evaluation.statistics import Agreement, Estimate, agreement, group_gaps
from facestats_training.candidates import Candidate
from facestats_training.rated import RatedEmbeddings
from facestats_training.reliability import Reliability
from facestats_training.selection import CrossValidation, Factors, correlation, without

WORTHLESS = "worthless"
USABLE = "learnt"

BLEND_SHARES = np.linspace(0, 1, 11)
"""Shares of the holistic half on the curve of r against the blend."""

Values = NDArray[np.float64]


def report_document(
    data: RatedEmbeddings,
    factors: Factors,
    result: CrossValidation,
    kinds: Sequence[Candidate],
    curve: Sequence[tuple[int, float]],
    raters: Reliability | None,
) -> dict[str, Any]:
    """All figures of a training, for JSON.

    ``out_of_fold`` is about the prediction of each photo by a regressor that was neither trained nor chosen with it.
    ``verdict`` is ``worthless`` where the 95 % interval of r (within sex where sex is given) reaches down to 0.
    """
    out_of_fold = _out_of_fold(data, result.prediction)
    judged = "r_within_sex" if data.sex is not None else "r"
    low = out_of_fold[f"{judged}_interval"]
    return {
        "n": len(data),
        "photos": len(set(data.photo.tolist())),
        "verdict": WORTHLESS if low is None or low[0] <= 0 else USABLE,
        "judged_by": judged,
        "candidate": result.final,
        "out_of_fold": out_of_fold,
        "candidates": [
            {
                "name": kind.name,
                "what": kind.words,
                "r": correlation(result.predictions[kind.name], data.rating, ()),
                **(
                    {}
                    if data.sex is None
                    else {"r_within_sex": correlation(result.predictions[kind.name], data.rating, (data.sex,))}
                ),
                "judged": correlation(result.predictions[kind.name], data.rating, factors),
                "chosen_in_folds": result.chosen.count(kind.name),
            }
            for kind in kinds
        ],
        "learning_curve": [{"photos": size, "r": r} for size, r in curve],
        "raters": None if raters is None else asdict(raters),
        "gaps": {
            name: [asdict(gap) for gap in group_gaps(result.prediction, data.rating, labels.tolist())]
            for name, labels in (("sex", data.sex), ("group", data.group))
            if labels is not None
        },
        "blend": _blend_curve(data, result.prediction),
    }


def _out_of_fold(data: RatedEmbeddings, prediction: Values) -> dict[str, Any]:
    figures = _figures(agreement(prediction, data.rating))
    for name, labels in (("sex", data.sex), ("group", data.group)):
        if labels is None:
            continue
        inside = agreement(without(prediction, (labels,)), without(data.rating, (labels,)))
        figures |= _named(inside, f"_within_{name}")
        figures[f"by_{name}"] = {
            label: {"n": int((labels == label).sum())}
            | _figures(agreement(prediction[labels == label], data.rating[labels == label]))
            for label in np.unique(labels).tolist()
        }
    return figures


def _figures(found: Agreement) -> dict[str, Any]:
    return _named(found) | {"photos": found.photos}


def _named(found: Agreement, suffix: str = "") -> dict[str, Any]:
    """Figures with their intervals beside them; r is 0 where the predictions do not differ, and has no interval."""
    figures: dict[str, Any] = {}
    for name, estimate in (("r", found.pearson), ("rank_correlation", found.spearman), ("mae", found.error)):
        figures[name + suffix] = _value(estimate, 0.0 if name != "mae" else None)
        figures[f"{name}{suffix}_interval"] = None if estimate is None else [estimate.low, estimate.high]
    return figures


def _value(estimate: Estimate | None, otherwise: float | None) -> float | None:
    return otherwise if estimate is None else estimate.value


def _blend_curve(data: RatedEmbeddings, prediction: Values) -> list[dict[str, float]] | None:
    """Correlation (within sex, where given) of the blend against the share of the holistic half, both halves as served.

    The holistic half is the prediction's percentile among all, as the calibration makes it.
    """
    if data.geometric is None:
        return None
    there = np.isfinite(data.geometric)
    if there.sum() < 2:
        return None
    holistic = 100 * (stats.rankdata(prediction[there]) - 0.5) / there.sum()
    factors = () if data.sex is None else (data.sex[there],)
    return [
        {
            "holistic": float(share),
            "r": correlation((1 - share) * data.geometric[there] + share * holistic, data.rating[there], factors),
        }
        for share in BLEND_SHARES
    ]
