"""Repetitions stop when nothing is answered, and go on at a share of what is."""

from __future__ import annotations

from facestats.holistic.retry_budget import RetryBudget


def test_repetitions_end_without_answers() -> None:
    budget = RetryBudget(3, 0.5)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]
    budget.answered()
    assert not budget.take()
    budget.answered()
    assert budget.take()
    assert not budget.take()


def test_answers_fill_no_more_than_the_bucket() -> None:
    budget = RetryBudget(2, 1)
    for _ in range(100):
        budget.answered()
    assert [budget.take() for _ in range(3)] == [True, True, False]
