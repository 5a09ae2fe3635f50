"""From corrected values to scores, percentiles, groups and the total."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from facestats.geometry.canonical import CanonicalFace
from facestats.geometry.reference import PERCENTILES, Distribution, Parameters

_STANDARD_NORMAL = NormalDist()

_LARGEST_DEVIATION = 30.0
"""Half-widths from the centre beyond which a score is 0 to double precision; keeps 2^-(u^2) from underflowing."""

_SMALLEST_SHARE = 0.5
"""Least share of the weights that must be supported for a total or a group to mean what it says."""


def correct_to_frontal(values: NDArray[np.float64], face: CanonicalFace) -> NDArray[np.float64]:
    """Removes what pose and an open mouth add to the values, after a regression over the reference faces.

    Args:
        values: [M] float64 as measured.
        face: The face, for its pose and mouth opening.

    Returns:
        [M] float64, the values expected of the same face seen from the front with closed lips.
    """
    reference = face.reference
    limits = reference.limits
    yaw = np.clip(face.yaw, -limits.yaw, limits.yaw)
    pitch = np.clip(face.pitch, -limits.pitch, limits.pitch)
    mouth = min(face.mouth_opening, limits.mouth)
    corrected = values - reference.correction @ np.array([yaw**2, pitch, pitch**2, mouth])
    return np.where(reference.one_sided, np.maximum(corrected, 0.0), corrected)


def score_values(
    values: NDArray[np.float64], parameters: Parameters, one_sided: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """[M] scores 0..100 of [M] corrected values: 100 at the centre, 50 one half-width from it."""
    deviation = (values - parameters.centre) / parameters.half
    deviation = np.where(one_sided, np.maximum(deviation, 0.0), deviation)
    deviation = np.clip(deviation, -_LARGEST_DEVIATION, _LARGEST_DEVIATION)
    scores: NDArray[np.float64] = 100.0 * np.exp2(-np.square(deviation))
    return scores


def percentiles(values: NDArray[np.float64], parameters: Parameters) -> NDArray[np.float64]:
    """Percentile of each value among the reference faces of the parameter set, [M] float64, 0..100.

    Values are mapped to normal scores, linearly between the stored percentiles 5, 25, 50, 75 and 95 and, beyond them,
    with the slope of a normal distribution of the stored standard deviation; the normal distribution function then
    gives the percentile. It passes through the stored percentiles exactly and never decreases.
    """
    known = [_STANDARD_NORMAL.inv_cdf(rank / 100) for rank in PERCENTILES]
    result = np.empty_like(values)
    for index, (value, quantiles, sd) in enumerate(zip(values, parameters.quantiles, parameters.sd, strict=True)):
        if value < quantiles[0]:
            normal_score = known[0] + (value - quantiles[0]) / sd
        elif value > quantiles[-1]:
            normal_score = known[-1] + (value - quantiles[-1]) / sd
        else:
            normal_score = float(np.interp(value, quantiles, known))
        result[index] = 100.0 * _STANDARD_NORMAL.cdf(normal_score)
    return result


def weighted_mean(
    scores: NDArray[np.float64], weights: NDArray[np.float64], supported: NDArray[np.bool_]
) -> float | None:
    """Mean of the supported scores with renormalised weights; None if they carry less than half of the weight."""
    available = float(weights[supported].sum())
    if available < _SMALLEST_SHARE * float(weights.sum()):
        return None
    return float(weights[supported] @ scores[supported]) / available


def logistic(value: float, distribution: Distribution, slope: float) -> float:
    """Maps a weighted mean to 0..100 by its place in the distribution over the reference faces: 50 at the mean."""
    exponent = slope * (value - distribution.mean) / distribution.sd
    # The logistic function written as a hyperbolic tangent, which cannot overflow.
    return float(50.0 * (1.0 + np.tanh(exponent / 2.0)))
