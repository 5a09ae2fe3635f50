"""Score curves, percentiles and weighted means."""

from __future__ import annotations

import numpy as np
import pytest

from facestats.geometry.reference import PARAMETER_SETS, PERCENTILES, ParameterSet, load_reference
from facestats.geometry.scores import logistic, percentiles, score_values, weighted_mean

SETS = pytest.mark.parametrize("name", PARAMETER_SETS)


@SETS
def test_a_curve_is_100_at_its_centre_and_50_one_half_width_away(name: ParameterSet) -> None:
    reference = load_reference()
    parameters = reference.parameters[name]
    assert score_values(parameters.centre, parameters, reference.one_sided) == pytest.approx(100)
    above = score_values(parameters.centre + parameters.half, parameters, reference.one_sided)
    assert above == pytest.approx(50)
    below = score_values(parameters.centre - parameters.half, parameters, reference.one_sided)
    assert below[~reference.one_sided] == pytest.approx(50)
    assert below[reference.one_sided] == pytest.approx(100)


@SETS
def test_the_stored_percentiles_are_met_exactly(name: ParameterSet) -> None:
    parameters = load_reference().parameters[name]
    for column, rank in enumerate(PERCENTILES):
        assert percentiles(parameters.quantiles[:, column], parameters) == pytest.approx(rank)


@SETS
def test_percentiles_never_decrease_and_reach_both_ends(name: ParameterSet) -> None:
    parameters = load_reference().parameters[name]
    middle, sd = parameters.quantiles[:, 2], parameters.sd
    ranks = np.array([percentiles(middle + step * sd, parameters) for step in np.linspace(-8, 8, 400)])
    assert (np.diff(ranks, axis=0) >= 0).all()
    assert (ranks >= 0).all()
    assert (ranks <= 100).all()
    assert (ranks[0] < 0.01).all()
    assert (ranks[-1] > 99.99).all()


@SETS
def test_weights_sum_to_one(name: ParameterSet) -> None:
    # The file gives them to three decimals.
    assert load_reference().parameters[name].weight.sum() == pytest.approx(1, abs=0.005)


def test_a_weighted_mean_leaves_out_what_is_unsupported() -> None:
    scores, weights = np.array([10.0, 50.0, 90.0]), np.array([0.5, 0.3, 0.2])
    assert weighted_mean(scores, weights, np.array([True, True, False])) == pytest.approx((5 + 15) / 0.8)
    assert weighted_mean(scores, weights, np.array([False, True, False])) is None


def test_the_logistic_map_is_50_at_the_mean() -> None:
    reference = load_reference()
    total = reference.parameters["female"].total
    assert logistic(total.mean, total, reference.logistic_slope) == pytest.approx(50)
    assert logistic(-1e9, total, reference.logistic_slope) == 0
    assert logistic(1e9, total, reference.logistic_slope) == 100
