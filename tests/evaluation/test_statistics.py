"""Statistics against scipy and against data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from facestats_evaluation.statistics import Values, agreement, agreement_within, group_gaps

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def related() -> tuple[Values, Values]:
    """300 pairs with a true correlation of 0.6."""
    rng = np.random.default_rng(1)
    scores = rng.normal(50, 20, 300)
    ratings = 5 + 0.6 * (scores - 50) / 20 + 0.8 * rng.normal(size=300)
    return scores, ratings


def test_correlations_are_scipys(related: tuple[Values, Values]) -> None:
    found = agreement(*related)
    assert found.pearson is not None
    assert found.spearman is not None
    assert found.pearson.value == pytest.approx(stats.pearsonr(*related).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(*related).statistic)
    assert found.photos == 300


def test_the_pearson_interval_agrees_with_fishers(related: tuple[Values, Values]) -> None:
    found = agreement(*related).pearson
    fisher = stats.pearsonr(*related).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((fisher.low, fisher.high), abs=0.03)


def test_the_error_is_that_of_the_least_squares_line(related: tuple[Values, Values]) -> None:
    scores, ratings = related
    found = agreement(scores, ratings)
    slope, intercept = np.polyfit(scores, ratings, 1)
    assert found.error is not None
    assert found.error.value == pytest.approx(np.abs(ratings - intercept - slope * scores).mean())
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept))


def test_ties_share_their_rank() -> None:
    scores, ratings = np.array([1.0, 2, 2, 3, 9, 9]), np.array([1.0, 1, 2, 5, 3, 3])
    found = agreement(scores, ratings).spearman
    assert found is not None
    assert found.value == pytest.approx(stats.spearmanr(scores, ratings).statistic)


def test_within_groups_a_difference_between_groups_counts_nothing() -> None:
    rng = np.random.default_rng(2)
    groups = ["a"] * 200 + ["b"] * 200
    between = np.repeat([0.0, 5.0], 200)
    scores, ratings = between + rng.normal(size=400), between + rng.normal(size=400)
    overall, within = agreement(scores, ratings).pearson, agreement_within(scores, ratings, groups).pearson
    assert overall is not None
    assert within is not None
    assert overall.value > 0.8
    assert within.low < 0 < within.high


def test_group_gaps_are_in_standard_deviations_of_everybody() -> None:
    ratings = np.array([1.0, 1, 1, 3, 3, 3], np.float64)
    gaps = group_gaps(ratings * 10, ratings, ["a"] * 3 + ["b"] * 3)
    assert [(gap.group, gap.photos, gap.human, gap.score) for gap in gaps] == [("a", 3, -1, -1), ("b", 3, 1, 1)]


@pytest.mark.parametrize("scores", [[1.0, 2.0], [7.0] * 20, []], ids=["too few", "constant", "none"])
def test_where_nothing_can_be_said_nothing_is(scores: list[float]) -> None:
    found = agreement(np.array(scores), np.arange(len(scores), dtype=float))
    assert (found.pearson, found.spearman, found.error, found.slope) == (None, None, None, None)
    assert found.photos == len(scores)


def test_five_photos_give_an_interval() -> None:
    found = agreement(np.arange(5.0), np.array([1.0, 3, 2, 5, 4])).pearson
    assert found is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
