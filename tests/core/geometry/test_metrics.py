"""The declarations of the metrics agree with the constants and with what their functions really read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facestats.faces.measured_lines import DRAWINGS
from facestats.geometry import METRICS, Capture, Metric
from facestats.geometry.canonical import CanonicalFace, canonical_face
from facestats.geometry.reference import load_reference, read_package_json


@pytest.fixture(scope="module")
def face(frontal: Capture) -> CanonicalFace:
    return canonical_face(frontal.landmarks * 512, load_reference())


def displaced(face: CanonicalFace, landmarks: list[int], seed: int = 0) -> CanonicalFace:
    points = face.points.copy()
    points[landmarks] += np.random.default_rng(seed).normal(0, 0.01, (len(landmarks), 3))
    return CanonicalFace(points, face.reference, face.yaw, face.pitch, face.fit)


def test_names_are_unique_and_in_the_order_of_the_constants() -> None:
    assert tuple(metric.name for metric in METRICS) == load_reference().names


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_group_and_unit_agree_with_the_constants(metric: Metric) -> None:
    stored: dict[str, Any] = read_package_json("reference.json")["metrics"][metric.name]
    assert metric.unit == stored["unit"]
    assert metric.group == {"lowerThird": "lower_third", "upperThird": "upper_third"}.get(
        stored["group"], stored["group"]
    )


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_value_depends_on_each_declared_landmark(metric: Metric, face: CanonicalFace) -> None:
    before = metric.measure(face)
    sample = metric.landmarks[:: max(1, len(metric.landmarks) // 30)]
    for landmark in sample:
        assert metric.measure(displaced(face, [landmark])) != before, landmark


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_value_depends_on_no_other_landmark(metric: Metric, face: CanonicalFace) -> None:
    others = sorted(set(range(478)) - set(metric.landmarks))
    assert metric.measure(displaced(face, others)) == metric.measure(face)


def test_every_metric_has_a_drawing() -> None:
    assert set(DRAWINGS) == {metric.name for metric in METRICS}


def test_landmarks_are_mirrored_pairs() -> None:
    mirror = load_reference().mirror
    assert (mirror[mirror] == np.arange(478)).all()
