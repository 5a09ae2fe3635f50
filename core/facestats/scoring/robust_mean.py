"""One number from several measurements of the same thing, of which some may be off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from facestats.scoring.interval import COVERAGE, Interval

_HUBER = 1.345
"""Residuals beyond this many standard errors pull with constant force (Huber 1964: 95 % efficient on normal errors)."""

_BELIEF = 4
"""Degrees of freedom with which the photos' known noise counts beside their own spread."""

_ROUNDS = 50


@dataclass(frozen=True)
class Measured:
    """A value and how sure it is.

    Attributes:
        value: 0..100.
        error: Its standard error, points; where ``known`` is false only the ratios between errors mean something.
        known: Whether the error's size is known.
    """

    value: float
    error: float
    known: bool


@dataclass(frozen=True)
class RobustMean:
    """The mean of several values.

    Attributes:
        value: 0..100.
        interval: 95 % range of the mean; ``None`` where nothing tells it (fewer than three values of unknown error).
        weights: Share of each value, summing to 1.
    """

    value: float
    interval: Interval | None
    weights: tuple[float, ...]


def robust_mean(measured: Sequence[Measured]) -> RobustMean:
    """Huber's M-estimate with inverse-variance weights.

    The interval follows from the values' own spread: their errors are multiplied by the Birge ratio (Birge 1932), the
    root of the mean squared residual in standard errors, in which known errors count as four values with the expected
    spread and below which they are never taken. Student's t with as many degrees of freedom gives its width.

    Args:
        measured: At least one value.
    """
    precision = [1.0 / (one.error * one.error) for one in measured]
    spread = _median_spread(measured, precision)
    scale = max(1.0, spread) if all(one.known for one in measured) else max(1e-9, spread)
    weights = precision
    middle = _weighted_median([one.value for one in measured], precision)
    for _ in range(_ROUNDS):
        residuals = [abs(one.value - middle) / (one.error * scale) for one in measured]
        weights = [
            weight * min(1.0, _HUBER / residual) if residual > 0 else weight
            for weight, residual in zip(precision, residuals, strict=True)
        ]
        previous, middle = middle, _mean([one.value for one in measured], weights)
        if abs(middle - previous) < 1e-6:
            break
    total = sum(weights)
    half = _half_width(measured, weights, middle)
    interval = None if half is None else Interval(max(0.0, middle - half), min(100.0, middle + half))
    return RobustMean(middle, interval, tuple(weight / total for weight in weights))


def _half_width(measured: Sequence[Measured], weights: Sequence[float], middle: float) -> float | None:
    squares = sum(weight * (one.value - middle) ** 2 for weight, one in zip(weights, measured, strict=True))
    if all(one.known for one in measured):
        freedom = _BELIEF + len(measured) - 1
        spread = max(1.0, (_BELIEF + squares) / freedom)
    else:
        freedom = len(measured) - 1
        if freedom < 2:
            return None
        spread = squares / freedom
    return student_quantile(0.5 + COVERAGE / 2, freedom) * math.sqrt(spread / sum(weights))


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t by Abramowitz & Stegun's expansion 26.7.5; within 2 % from two degrees of freedom up."""
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(z + sum(term / freedom**power for power, term in enumerate(terms, start=1)))


def _median_spread(measured: Sequence[Measured], precision: Sequence[float]) -> float:
    """The median absolute residual in units of the stated errors, made consistent with a normal's deviation."""
    values = [one.value for one in measured]
    middle = _weighted_median(values, precision)
    residuals = sorted(abs(one.value - middle) / one.error for one in measured)
    return 1.4826 * residuals[len(residuals) // 2]


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _weighted_median(values: Sequence[float], weights: Sequence[float]) -> float:
    half, reached = sum(weights) / 2, 0.0
    for value, weight in sorted(zip(values, weights, strict=True)):
        reached += weight
        if reached >= half:
            return value
    raise ValueError("a median needs at least one value")
