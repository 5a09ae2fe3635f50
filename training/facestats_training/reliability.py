"""How far raters agree with each other: the ceiling of what a regressor can reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 500
_SEED = 0


@dataclass(frozen=True)
class Reliability:
    """Agreement between raters, over photos with two ratings or more.

    Attributes:
        photos: Number of such photos.
        ratings: Number of their ratings.
        one: Reliability of one rating, ICC(1,1) (Shrout and Fleiss, 1979), at most 1.
        mean: Reliability of a photo's mean rating, ICC(1,k) for the average number of ratings.
        mean_interval: 95 % bootstrap interval of ``mean`` over photos.
        ceiling: Largest r a perfect predictor could reach with the mean ratings, the root of ``mean``.
    """

    photos: int
    ratings: int
    one: float
    mean: float
    mean_interval: tuple[float, float]
    ceiling: float


def reliability(photo: NDArray[np.intp], rating: NDArray[np.float64]) -> Reliability | None:
    """One-way analysis of variance of all ratings by photo.

    Args:
        photo: [M] int, which photo each rating is of.
        rating: [M].

    Returns:
        None where fewer than two photos have two ratings, or no rating differs from another.
    """
    _, index = np.unique(photo, return_inverse=True)
    count = np.bincount(index)
    sums: NDArray[np.float64] = np.bincount(index, rating).astype(np.float64)
    squares: NDArray[np.float64] = np.bincount(index, rating**2).astype(np.float64)
    several = count > 1
    count, sums, squares = count[several], sums[several], squares[several]
    if len(count) < 2 or np.ptp(rating) == 0:
        return None
    one, mean = _icc(count, sums, squares)
    generator = np.random.default_rng(_SEED)
    drawn = generator.integers(0, len(count), (_RESAMPLES, len(count)))
    resampled = [_icc(count[rows], sums[rows], squares[rows])[1] for rows in drawn]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Reliability(
        len(count), int(count.sum()), one, mean, (float(low), float(high)), float(np.sqrt(max(mean, 0.0)))
    )


def _icc(count: NDArray[np.intp], sums: NDArray[np.float64], squares: NDArray[np.float64]) -> tuple[float, float]:
    """Of one rating and of a photo's mean, from each photo's number, sum and sum of squares."""
    total, photos = count.sum(), len(count)
    between = float(((sums / count - sums.sum() / total) ** 2 * count).sum() / (photos - 1))
    within = float((squares - sums**2 / count).sum() / (total - photos))
    typical = float((total - (count**2).sum() / total) / (photos - 1))
    spread = between + (typical - 1) * within
    if spread <= 0 or between <= 0:
        return 0.0, 0.0
    return (between - within) / spread, (between - within) / between
