"""How well scores agree with ratings: correlations and errors with bootstrap intervals, within and between groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 2000
CONFIDENCE = 0.95
_SEED = 0
FEWEST_PHOTOS = 5
"""Fewer photos than this say nothing."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of one kind of score with the ratings, over some photos.

    Attributes:
        photos: Number of photos with both.
        pearson: Pearson's r; None for too few photos or scores that do not differ.
        spearman: Spearman's rho; None likewise.
        error: Mean absolute error after the best straight line from scores to ratings, in the ratings' unit; None
            likewise. The line is fitted to the same photos.
        slope: Slope of that line.
        intercept: Intercept of that line.
    """

    photos: int
    pearson: Estimate | None
    spearman: Estimate | None
    error: Estimate | None
    slope: float | None
    intercept: float | None


@dataclass(frozen=True)
class GroupGap:
    """Where a group lies against everybody, in standard deviations, once by people and once by the score.

    Attributes:
        group: Its name.
        photos: Number of photos with both.
        human: Mean rating minus the mean over all photos, over their standard deviation.
        score: The same of the scores.
    """

    group: str
    photos: int
    human: float
    score: float


def agreement(scores: Values, ratings: Values) -> Agreement:
    """Compares [N] scores with [N] ratings; neither may hold NaN."""
    if len(scores) < FEWEST_PHOTOS or np.ptp(scores) == 0 or np.ptp(ratings) == 0:
        return Agreement(len(scores), None, None, None, None, None)
    line = stats.linregress(scores, ratings)
    return Agreement(
        photos=len(scores),
        pearson=_estimate(_pearson, scores, ratings),
        spearman=_estimate(_spearman, scores, ratings),
        error=_estimate(_error_after_line, scores, ratings),
        slope=float(line.slope),
        intercept=float(line.intercept),
    )


def agreement_within(scores: Values, ratings: Values, groups: Sequence[str]) -> Agreement:
    """Agreement after both are centred in each group: what is left when no group may be preferred to another."""
    return agreement(_centred(scores, groups), _centred(ratings, groups))


def group_gaps(scores: Values, ratings: Values, groups: Sequence[str]) -> list[GroupGap]:
    """Where each group lies by people and by the score, in the order of the groups' names."""
    names = np.array(groups)
    if len(scores) < FEWEST_PHOTOS or np.ptp(scores) == 0 or np.ptp(ratings) == 0:
        return []
    human, score = stats.zscore(ratings), stats.zscore(scores)
    return [
        GroupGap(
            name, int((names == name).sum()), float(human[names == name].mean()), float(score[names == name].mean())
        )
        for name in sorted(set(groups))
    ]


def _centred(values: Values, groups: Sequence[str]) -> Values:
    _, index = np.unique(np.array(groups), return_inverse=True)
    means = np.bincount(index, values) / np.bincount(index)
    centred: Values = values - means[index]
    return centred


def _estimate(statistic: Callable[..., Values], scores: Values, ratings: Values) -> Estimate:
    result = stats.bootstrap(
        (scores, ratings),
        statistic,
        paired=True,
        vectorized=True,
        axis=-1,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, 2_000_000 // len(scores)),
        rng=np.random.default_rng(_SEED),
    )
    interval = result.confidence_interval
    return Estimate(float(statistic(scores, ratings)), float(interval.low), float(interval.high))


def _pearson(scores: Values, ratings: Values, axis: int = -1) -> Values:
    x, y = scores - scores.mean(axis, keepdims=True), ratings - ratings.mean(axis, keepdims=True)
    norm = np.sqrt((x * x).sum(axis) * (y * y).sum(axis))
    # A resample may hold one photo only, again and again: nothing correlates then.
    r: Values = np.divide((x * y).sum(axis), norm, out=np.zeros_like(norm), where=norm > 0)
    return r


def _spearman(scores: Values, ratings: Values, axis: int = -1) -> Values:
    return _pearson(stats.rankdata(scores, axis=axis), stats.rankdata(ratings, axis=axis), axis)


def _error_after_line(scores: Values, ratings: Values, axis: int = -1) -> Values:
    x, y = scores - scores.mean(axis, keepdims=True), ratings - ratings.mean(axis, keepdims=True)
    variance = (x * x).sum(axis, keepdims=True)
    slope = np.divide((x * y).sum(axis, keepdims=True), variance, out=np.zeros_like(variance), where=variance > 0)
    error: Values = np.abs(y - slope * x).mean(axis)
    return error
