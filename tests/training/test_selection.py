"""Nested cross-validation: nothing kept back is seen, the simpler candidate wins a tie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from facestats_export.regressor import Layer
from facestats_training.candidates import Candidate, fit_ridge
from facestats_training.rated import RatedEmbeddings, checked
from facestats_training.selection import choose, correlation, cross_validate, fits, learning_curve, without
from tests.training.conftest import ages, rated

RIDGE = Candidate("ridge", "", fit_ridge)


def constant(embedding: np.ndarray, target: np.ndarray, seed: int) -> tuple[Layer, ...]:
    """Learns the mean."""
    return (Layer(np.zeros((1, embedding.shape[1]), np.float32), np.array([target.mean()], np.float32)),)


def test_factors_are_taken_out_and_the_mean_stays() -> None:
    generator = np.random.default_rng(0)
    sex, group = generator.choice(["f", "m"], 500), generator.choice(["a", "b", "c"], 500)
    own = generator.normal(0, 1, 500)
    own = without(own, (sex, group))
    values = own + 2 * (sex == "m") - 3 * (group == "c")
    assert without(values, ()) is values
    left = without(values, (sex, group))
    assert left.mean() == pytest.approx(values.mean())
    np.testing.assert_allclose(left - left.mean(), own - own.mean(), atol=1e-9)
    for labels in (sex, group):
        means = [left[labels == label].mean() for label in np.unique(labels)]
        np.testing.assert_allclose(means, left.mean(), atol=1e-9)


def test_correlation_within_a_factor_does_not_pay_for_the_factor() -> None:
    sex = np.repeat(["f", "m"], 50)
    generator = np.random.default_rng(0)
    rating = generator.normal(0, 1, 100) + 10 * (sex == "m")
    prediction = (sex == "m") + generator.normal(0, 0.01, 100)
    assert correlation(prediction, rating, ()) > 0.95
    assert abs(correlation(prediction, rating, (sex,))) < 0.3
    assert correlation(np.zeros(100), rating, ()) == 0


def test_the_simplest_within_the_tolerance_is_chosen() -> None:
    generator = np.random.default_rng(0)
    rating = generator.normal(0, 1, 300)
    noise = generator.normal(0, 1, 300)
    rows = np.arange(300)
    nearly = {"simple": rating + 1.01 * noise, "better": rating + noise}
    assert choose(nearly, rating, (), rows) == "simple"
    clearly = {"simple": rating + 2 * noise, "better": rating + noise}
    assert choose(clearly, rating, (), rows) == "better"


def test_out_of_fold_predictions_are_of_regressors_that_never_saw_the_photo() -> None:
    """A memory of seen photos tells nothing of kept-back ones; copies of a photo are kept back together."""
    embedding, age = ages()
    noise = np.random.default_rng(0).permutation(age[:150])
    data = checked(rated(np.tile(embedding[:150], (2, 1)), np.tile(noise, 2)), lambda sentence: None)
    asked: list[set[bytes]] = []

    def remember(seen: np.ndarray, target: np.ndarray, seed: int) -> tuple[Layer, ...]:
        asked.append({row.tobytes() for row in seen})
        return fit_ridge(seen, target, seed)

    kinds = (Candidate("memory", "", remember), Candidate("mean", "", constant))
    advanced: list[None] = []
    result = cross_validate(data, (), kinds, lambda: advanced.append(None))
    assert len(advanced) == fits(kinds) == 40
    assert set(result.fold.tolist()) == set(range(5))
    np.testing.assert_array_equal(result.fold[:150], result.fold[150:])
    for number in range(5):
        kept_back = {row.tobytes() for row in data.embedding[result.fold == number]}
        assert any(not seen & kept_back for seen in asked)
    assert abs(correlation(result.predictions["memory"], data.rating, ())) < 0.25
    for number, name in enumerate(result.chosen):
        rows = result.fold == number
        np.testing.assert_array_equal(result.prediction[rows], result.predictions[name][rows])


def test_the_learning_curve_rises_to_the_cross_validation(aged: RatedEmbeddings) -> None:
    result = cross_validate(aged, (), (RIDGE,), lambda: None)
    curve = learning_curve(aged, (), RIDGE, result, lambda: None)
    sizes = [size for size, _ in curve]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 284
    assert curve[-1][1] == correlation(result.predictions["ridge"], aged.rating, ())
    assert curve[-1][1] > curve[0][1] + 0.1


@pytest.mark.parametrize("centred", [True, False])
def test_factors_are_taken_out_of_what_is_learnt(centred: bool, aged: RatedEmbeddings) -> None:
    sex = np.random.default_rng(0).choice(["f", "m"], len(aged))
    targets: list[np.ndarray] = []

    def listen(embedding: np.ndarray, target: np.ndarray, seed: int) -> tuple[Layer, ...]:
        targets.append(target)
        return constant(embedding, target, seed)

    fit: Callable[..., tuple[Layer, ...]] = listen
    shifted = rated(aged.embedding, aged.rating + 100 * (sex == "m"), sex=sex)
    cross_validate(shifted, (sex,) if centred else (), (Candidate("listen", "", fit),), lambda: None)
    assert all((np.ptp(target) < 100) == centred for target in targets)
