"""The mean of several measurements: precise ones count more, outliers little, and the spread widens the interval."""

from __future__ import annotations

import pytest

from facestats.scoring.robust_mean import Measured, RobustMean, robust_mean, student_quantile


def mean_of(*values: float, error: float = 3.0, known: bool = True) -> RobustMean:
    return robust_mean([Measured(value, error, known) for value in values])


def width(mean: RobustMean) -> float:
    assert mean.interval is not None
    return mean.interval.high - mean.interval.low


def test_equal_values_of_equal_error_count_alike() -> None:
    mean = mean_of(40, 44)
    assert mean.value == pytest.approx(42)
    assert mean.weights == pytest.approx((0.5, 0.5))


def test_a_sure_value_counts_more() -> None:
    mean = robust_mean([Measured(40, 1, True), Measured(46, 2, True)])
    assert mean.weights == pytest.approx((0.8, 0.2), abs=0.05)
    assert 40 < mean.value < 42


def test_an_outlier_moves_the_mean_little() -> None:
    assert mean_of(50, 52, 51, 95).value == pytest.approx(51, abs=2.5)


def test_more_photos_narrow_the_interval() -> None:
    assert width(mean_of(50, 51, 52, 50, 51, 52)) < width(mean_of(50, 52))


def test_photos_that_disagree_widen_the_interval() -> None:
    assert width(mean_of(30, 50, 70)) > 2 * width(mean_of(49, 50, 51))


def test_agreement_never_narrows_it_below_the_photos_own_noise() -> None:
    assert width(mean_of(50, 50, 50)) >= 2 * 1.96 * 3 / 3**0.5


def test_without_known_noise_the_spread_alone_tells_from_three_values_on() -> None:
    assert mean_of(40, 60, known=False).interval is None
    assert width(mean_of(40, 50, 60, known=False)) > 20


@pytest.mark.parametrize(("freedom", "table"), [(2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042)])
def test_student_s_quantile_is_that_of_the_tables(freedom: int, table: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(table, rel=0.02)
