"""Whatever the landmarks, a geometry is finite and within its ranges, or refused with a clear error."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from facestats.geometry import Capture, Geometry, GeometryDesign, GeometryError, Sex, measure

pytestmark = pytest.mark.filterwarnings("error")

# The fixtures are read-only, so one instance may serve every example.
fixtures_may_be_shared = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SEXES: st.SearchStrategy[Sex | None] = st.sampled_from((*get_args(Sex), None))
DESIGNS: st.SearchStrategy[GeometryDesign] = st.sampled_from(get_args(GeometryDesign))


def arrays(bound: float | None) -> st.SearchStrategy[NDArray[np.float64]]:
    low = None if bound is None else -bound
    finite = st.floats(low, bound, allow_nan=False, allow_infinity=False)
    return hnp.arrays(np.float64, (478, 3), elements=finite, fill=finite)


def measured_or_refused(capture: Capture, sex: Sex | None, design: GeometryDesign) -> Geometry | None:
    try:
        return measure(capture, sex, design)
    except GeometryError:
        return None


def in_range(number: float | None) -> bool:
    return number is None or (math.isfinite(number) and 0 <= number <= 100)


def assert_sound(geometry: Geometry | None) -> None:
    if geometry is None:
        return
    assert in_range(geometry.score)
    assert in_range(geometry.total)
    assert all(in_range(score) for score in geometry.groups.values())
    assert in_range(geometry.quality.reliability)
    assert all(0 <= factor <= 1 for factor in geometry.quality.factors.values())
    assert all(map(math.isfinite, (geometry.pose.yaw, geometry.pose.pitch, geometry.pose.roll, geometry.fit)))
    for metric in geometry.metrics:
        assert in_range(metric.score)
        assert in_range(metric.percentile)
        assert (metric.value is None) == (metric.reason is not None)
        assert metric.value is None or math.isfinite(metric.value)


@fixtures_may_be_shared
@given(points=arrays(None), sex=SEXES, design=DESIGNS)
def test_any_finite_array(
    fast_frontal: Capture, points: NDArray[np.float64], sex: Sex | None, design: GeometryDesign
) -> None:
    assert_sound(measured_or_refused(replace(fast_frontal, landmarks=points, first=points), sex, design))


@fixtures_may_be_shared
@given(points=arrays(2.0), first=arrays(2.0), sex=SEXES)
def test_any_array_of_the_size_of_landmarks(
    frontal: Capture, points: NDArray[np.float64], first: NDArray[np.float64], sex: Sex | None
) -> None:
    assert_sound(measured_or_refused(replace(frontal, landmarks=points, first=first), sex, "mean"))


@fixtures_may_be_shared
@given(
    seed=st.integers(0, 2**32 - 1),
    noise=st.sampled_from([1e-9, 1e-3, 0.02, 0.3, 10.0, 1e5]),
    width=st.integers(32, 20_000),
    aspect=st.floats(1 / 8, 8),
    sex=SEXES,
)
def test_any_disturbed_face(
    fast_frontal: Capture, seed: int, noise: float, width: int, aspect: float, sex: Sex | None
) -> None:
    disturbed = fast_frontal.landmarks + np.random.default_rng(seed).normal(0, noise, (478, 3))
    height = max(1, round(width / aspect))
    geometry = measure(
        replace(
            fast_frontal,
            landmarks=disturbed,
            first=disturbed,
            width=width,
            height=height,
            photo_width=width,
            photo_height=height,
        ),
        sex,
        "mean",
    )
    assert_sound(geometry)


@fixtures_may_be_shared
@given(index=st.integers(0, 477), axis=st.integers(0, 2), bad=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_one_number_that_is_not_finite_is_refused(fast_frontal: Capture, index: int, axis: int, bad: float) -> None:
    points = fast_frontal.landmarks.copy()
    points[index, axis] = bad
    with pytest.raises(GeometryError, match="not finite"):
        measure(replace(fast_frontal, landmarks=points))
