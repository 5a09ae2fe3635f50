"""The reference that the web page draws measurements against."""

from __future__ import annotations

from itertools import pairwise

import pytest

from facestats.geometry import METRICS
from facestats_gateway.reference_card import ReferenceDocument, reference_document


@pytest.fixture(scope="module")
def card() -> ReferenceDocument:
    return reference_document()


def test_every_metric_has_rising_percentiles_a_curve_and_weights(card: ReferenceDocument) -> None:
    assert [metric.name for metric in card.metrics] == [metric.name for metric in METRICS]
    for metric in card.metrics:
        assert set(metric.percentiles) == {"female", "male", "pooled"}
        for percentiles in metric.percentiles.values():
            values = list(percentiles.model_dump().values())
            assert all(lower < higher for lower, higher in pairwise(values)), metric.name
        assert all(curve.half > 0 for curve in metric.curve.values())
    for name in ("female", "male", "pooled"):
        assert sum(metric.weight[name] for metric in card.metrics) == pytest.approx(1.0, abs=0.01)


def test_figures_are_the_specification_s(card: ReferenceDocument) -> None:
    tilt = card.metrics[0]
    assert tilt.name == "canthal_tilt"
    assert tilt.percentiles["pooled"].model_dump() == {
        "p5": 1.18,
        "p25": 3.064,
        "p50": 4.394,
        "p75": 5.57,
        "p95": 7.344,
    }
    assert (tilt.curve["female"].centre, tilt.curve["female"].half) == (7.277, 2.77)
    assert card.scores["female"].p50 == 52.5
    assert card.faces == {"pooled": 1950, "female": 1036, "male": 914}


def test_group_scores_are_symmetric_about_fifty(card: ReferenceDocument) -> None:
    assert card.group_scores.p50 == 50
    assert card.group_scores.p25 + card.group_scores.p75 == pytest.approx(100)
    assert card.group_scores.p75 == pytest.approx(64.7, abs=0.1)


def test_all_but_the_whole_shape_metric_have_lines_to_draw(card: ReferenceDocument) -> None:
    assert {metric.name for metric in card.metrics if not metric.lines} == {"distance_to_mean"}
    assert all(0 <= point < 478 for metric in card.metrics for line in metric.lines for point in line.start + line.end)
