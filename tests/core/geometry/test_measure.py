"""The geometric score: the specification's cases, refusals, unsupported metrics and designs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facestats.geometry import GROUPS, METRICS, Capture, Geometry, GeometryError, measure
from facestats.geometry.reference import load_reference

pytestmark = pytest.mark.filterwarnings("error")

VALUE_TOLERANCE, SCORE_TOLERANCE = 1e-3, 0.05
"""The specification's: relative for values, points for scores."""

SPECIFICATION_GROUPS = {"lower_third": "lowerThird", "upper_third": "upperThird"}


def by_name(geometry: Geometry) -> dict[str, Any]:
    return {metric.name: metric for metric in geometry.metrics}


def moved(capture: Capture, change: NDArray[np.float64]) -> Capture:
    return replace(capture, landmarks=capture.landmarks + change, first=capture.first + change)


def test_values_and_scores_of_the_specification(case: dict[str, Any], case_capture: Capture) -> None:
    geometry, expected = measure(case_capture, case["sex"]), case["expected"]
    assert geometry.sex == expected["parameters"]
    assert [metric.name for metric in geometry.metrics] == list(expected["value"])
    for metric in geometry.metrics:
        # Expected values are rounded to four decimals, which matters for asymmetries near 0.
        assert metric.value == pytest.approx(expected["value"][metric.name], rel=VALUE_TOLERANCE, abs=5.1e-5)
        assert metric.score == pytest.approx(expected["score"][metric.name], abs=SCORE_TOLERANCE)
    for group, score in geometry.groups.items():
        expected_group = expected["groups"][SPECIFICATION_GROUPS.get(group, group)]
        assert score == pytest.approx(expected_group, abs=SCORE_TOLERANCE)
    assert geometry.total == pytest.approx(expected["total"], abs=SCORE_TOLERANCE)
    assert geometry.score == pytest.approx(expected["psl"], abs=SCORE_TOLERANCE)


def test_raw_values_of_the_specification(case: dict[str, Any], case_capture: Capture) -> None:
    from facestats.geometry.canonical import canonical_face

    pixels = case_capture.landmarks * [case_capture.width, case_capture.height, case_capture.width]
    face = canonical_face(pixels, load_reference())
    for metric in METRICS:
        expected = case["expected"]["raw"][metric.name]
        assert metric.measure(face) == pytest.approx(expected, rel=VALUE_TOLERANCE, abs=5.1e-5), metric.name


def test_pose_and_reliability_of_the_specification(case: dict[str, Any], case_capture: Capture) -> None:
    geometry, expected = measure(case_capture, case["sex"]), case["expected"]
    for axis in ("yaw", "pitch", "roll"):
        assert getattr(geometry.pose, axis) == pytest.approx(expected["pose"][axis], abs=1e-3)
    assert geometry.mouth_opening == pytest.approx(expected["mouth_opening"], abs=1e-4)
    assert geometry.fit == pytest.approx(expected["fit"], abs=1e-4)
    quality = expected["quality"]
    assert geometry.quality.reliability == pytest.approx(quality["score"], abs=SCORE_TOLERANCE)
    assert geometry.quality.level == quality["level"]
    assert geometry.quality.face_width == pytest.approx(quality["face_width_px"], rel=VALUE_TOLERANCE)
    for factor, share in geometry.quality.factors.items():
        assert 100 * share == pytest.approx(quality[factor], abs=SCORE_TOLERANCE)


def test_sex_selects_the_parameter_set_and_absent_means_pooled(frontal: Capture) -> None:
    scores = {geometry.sex: geometry.score for geometry in (measure(frontal, sex) for sex in (None, "female", "male"))}
    assert list(scores) == ["pooled", "female", "male"]
    assert len(set(scores.values())) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("pass_name", ["landmarks", "first"])
def test_landmarks_that_are_not_finite_are_refused(frontal: Capture, bad: float, pass_name: str) -> None:
    points = getattr(frontal, pass_name).copy()
    points[77, 1] = bad
    with pytest.raises(GeometryError, match="not finite"):
        measure(replace(frontal, **{pass_name: points}))


@pytest.mark.parametrize(
    "shape",
    [
        np.zeros((478, 3)),
        np.full((478, 3), 0.5),
        np.linspace(0, 1, 478)[:, None] * [1.0, 0.5, 0.2],
        np.full((478, 3), 1e-300),
    ],
    ids=["origin", "point", "line", "tiny"],
)
def test_degenerate_shapes_are_refused(frontal: Capture, shape: NDArray[np.float64]) -> None:
    with pytest.raises(GeometryError, match="degenerate"):
        measure(replace(frontal, landmarks=shape, first=shape))


@pytest.mark.parametrize("pair", [(133, 362), (129, 358), (61, 291), (33, 133), (149, 172)])
def test_coinciding_landmarks_are_refused(frontal: Capture, pair: tuple[int, int]) -> None:
    points = frontal.landmarks.copy()
    points[pair[1]] = points[pair[0]]
    if pair == (33, 133):
        # Both eyes, else one of them still has a width.
        points[263] = points[362]
    with pytest.raises(GeometryError, match="degenerate"):
        measure(replace(frontal, landmarks=points))


@pytest.mark.parametrize("shape", [(468, 3), (478, 2), (0, 3), (478, 3, 1)])
def test_arrays_of_another_shape_are_refused(frontal: Capture, shape: tuple[int, ...]) -> None:
    with pytest.raises(GeometryError, match="shape"):
        measure(replace(frontal, landmarks=np.zeros(shape)))


def test_pixel_sizes_must_be_positive(frontal: Capture) -> None:
    with pytest.raises(GeometryError, match="0 x 512 pixels"):
        measure(replace(frontal, width=0))


def test_the_aspect_ratio_of_the_photo_is_taken_into_account(fast_frontal: Capture) -> None:
    squeezed = fast_frontal.landmarks * [0.5, 1.0, 0.5]
    wide = replace(fast_frontal, landmarks=squeezed, first=squeezed, width=1024, photo_width=1024)
    assert measure(wide).score == pytest.approx(measure(fast_frontal).score, abs=1e-9)


def test_chin_outside_the_photo_is_null_with_a_reason_and_leaves_the_total(fast_frontal: Capture) -> None:
    lowest = fast_frontal.landmarks[:, 1].max()
    cut = moved(fast_frontal, np.array([0.0, 1.08 - lowest, 0.0]))
    whole, geometry = measure(fast_frontal), measure(cut)
    metrics = by_name(geometry)
    for name in ("philtrum_chin", "nose_length_face", "facial_index", "thirds_balance", "upper_third"):
        assert (metrics[name].value, metrics[name].score, metrics[name].percentile) == (None, None, None)
        assert "outside the photo" in metrics[name].reason
    supported = [metric for metric in geometry.metrics if metric.score is not None]
    assert 10 < len(supported) < len(METRICS)
    reference = load_reference()
    weights = dict(zip(reference.names, reference.parameters["pooled"].weight, strict=True))
    available = sum(weights[metric.name] for metric in supported)
    assert geometry.total == pytest.approx(
        sum(weights[metric.name] * metric.score for metric in supported if metric.score is not None) / available
    )
    assert geometry.total != pytest.approx(whole.total, abs=1e-6)
    assert geometry.groups["eyes"] == pytest.approx(whole.groups["eyes"])
    assert any("outside the picture" in warning for warning in geometry.quality.warnings)


def test_no_score_when_less_than_half_of_it_is_supported(fast_frontal: Capture) -> None:
    left = fast_frontal.landmarks[:468, 0].mean()
    geometry = measure(moved(fast_frontal, np.array([-left, 0.0, 0.0])))
    assert geometry.score is None
    assert geometry.total is None
    assert None in geometry.groups.values()
    assert any(metric.value is not None for metric in geometry.metrics), "the visible midline is still measured"


def test_mouth_wide_open_withholds_what_the_jaw_moves(fast_frontal: Capture) -> None:
    points = fast_frontal.landmarks.copy()
    gap = 0.5 * (points[291, 0] - points[61, 0])
    points[[14, 17, 152], 1] += gap
    geometry = measure(replace(fast_frontal, landmarks=points, first=points))
    metrics = by_name(geometry)
    assert geometry.mouth_opening > 0.4
    assert "mouth" in metrics["lip_ratio"].reason
    assert metrics["canthal_tilt"].value is not None
    assert "Close your mouth." in geometry.quality.warnings


def test_profile_withholds_what_lies_on_the_hidden_side(fast_frontal: Capture) -> None:
    angle = np.radians(70)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    points = (fast_frontal.landmarks - 0.5) @ turn.T + 0.5
    geometry = measure(replace(fast_frontal, landmarks=points))
    metrics = by_name(geometry)
    assert abs(geometry.pose.yaw) > 60
    assert "one side of the face is hidden" in metrics["eye_spacing"].reason
    assert metrics["nose_length_face"].value is not None
    assert geometry.score is None


def test_pose_does_not_change_the_shape(fast_frontal: Capture) -> None:
    """A rigid turn is undone by the canonical frame; only the correction for pose acts."""
    angle = np.radians(12)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    points = (fast_frontal.landmarks - 0.5) @ turn.T + 0.5
    turned = measure(replace(fast_frontal, landmarks=points, first=points))
    straight = measure(fast_frontal)
    assert turned.fit == pytest.approx(straight.fit, abs=1e-9)
    assert abs(turned.pose.yaw - straight.pose.yaw) == pytest.approx(12, abs=0.5)


def test_designs_differ_and_mean_lies_between(frontal: Capture) -> None:
    scores = {design: measure(frontal, "male", design).score for design in ("metrics", "shape", "mean")}
    assert scores["metrics"] is not None
    assert scores["shape"] is not None
    assert scores["metrics"] != pytest.approx(scores["shape"], abs=0.5)
    assert scores["mean"] == pytest.approx((scores["metrics"] + scores["shape"]) / 2)
    assert measure(frontal, "male", "shape").design == "shape"


def test_pooled_shape_score_is_the_mean_of_both_models(frontal: Capture) -> None:
    female, male, pooled = (measure(frontal, sex, "shape").score for sex in ("female", "male", None))
    assert female is not None
    assert male is not None
    assert pooled == pytest.approx((female + male) / 2)


def test_every_group_has_a_score(frontal: Capture) -> None:
    assert tuple(measure(frontal).groups) == GROUPS
