"""The interval of a score: wider for worse photos, inside the scale, refused where it is not known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facestats.scoring.blend import BlendWeights
from facestats.scoring.interval import (
    RELIABILITIES,
    Interval,
    Noise,
    Repeatability,
    blended_interval,
    expit,
    load_repeatability,
    logit,
)

NOISE = Noise((1.0, 0.6, 0.4, 0.3, 0.2))
points = st.floats(0, 100)


@given(points)
def test_logit_and_expit_undo_each_other_but_for_the_ends(score: float) -> None:
    assert expit(logit(score)) == pytest.approx(min(max(score, 0.05), 99.95))


@given(points, points)
def test_an_interval_holds_its_score_and_stays_on_the_scale(score: float, reliability: float) -> None:
    interval = NOISE.around(score, reliability)
    assert 0 <= interval.low <= score <= interval.high <= 100


@given(st.floats(5, 95), st.sampled_from(RELIABILITIES[:-1]))
def test_a_worse_photo_has_a_wider_interval(score: float, reliability: float) -> None:
    worse, better = NOISE.around(score, reliability), NOISE.around(score, 100)
    assert worse.high - worse.low > better.high - better.low


def test_the_shipped_intervals_cover_every_kind_of_geometric_score() -> None:
    shipped = load_repeatability()
    kinds = {
        f"{capture}.{sex}.{design}"
        for capture in ("stable", "fast")
        for sex in ("pooled", "female", "male")
        for design in ("metrics", "shape", "mean")
    }
    assert set(shipped.geometric) == kinds
    for kind, figures in shipped.source["figures"].items():
        assert 0.93 <= figures["coverage_held_out"] <= 0.98, kind
    # About six points either way for a good photo of a middling face, as the documentation says.
    interval = shipped.geometric_interval(50.0, 90.0, capture="stable", sex="pooled", design="metrics")
    assert interval is not None
    assert 3 < interval.high - 50 < 9


def test_the_blend_of_two_known_halves_is_narrower_than_the_sum_of_their_intervals() -> None:
    geometric, holistic = (40.0, Interval(34.0, 46.0)), (80.0, Interval(70.0, 88.0))
    blended = blended_interval(56.0, geometric, holistic, BlendWeights())
    assert blended is not None
    assert blended.low == pytest.approx(56 - (3.6**2 + 4**2) ** 0.5)
    assert blended.high == pytest.approx(56 + (3.6**2 + 3.2**2) ** 0.5)


def test_what_was_not_measured_has_no_interval() -> None:
    measured = Repeatability({"stable.pooled.metrics": NOISE}, {"sha256:known": NOISE})
    assert measured.holistic_interval(50.0, 90.0, "sha256:other") is None
    assert measured.holistic_interval(50.0, 90.0, "sha256:known") is not None
    assert measured.geometric_interval(50.0, 90.0, capture="fast", sex="pooled", design="metrics") is None
    assert blended_interval(50.0, (50.0, Interval(45, 55)), None, BlendWeights()) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", json.dumps({"geometric": {"k": [1, 2]}, "holistic": {}, "source": {}})]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="no document of `facestats repeatability`"):
        load_repeatability(str(path))
