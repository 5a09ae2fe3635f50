"""The one way from captured landmarks to the geometric score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facestats.geometry.anatomy import LANDMARKS
from facestats.geometry.canonical import CanonicalFace, GeometryError, canonical_face, eye_line_angle
from facestats.geometry.capture import Capture
from facestats.geometry.metrics import METRICS, Unit
from facestats.geometry.quality import Factor, Quality, assess
from facestats.geometry.reference import GROUPS, Group, Parameters, ParameterSet, Reference, Sex, load_reference
from facestats.geometry.scores import correct_to_frontal, logistic, percentiles, score_values, weighted_mean
from facestats.geometry.shape_model import shape_score
from facestats.geometry.support import REASONS, unsupported_metrics

GeometryDesign = Literal["metrics", "shape", "mean"]

_LARGEST_COORDINATE = 1e6
"""Landmarks further from the photo than this many of its widths are no landmarks; keeps squares finite."""


@dataclass(frozen=True)
class Measurement:
    """One metric of one face.

    Attributes:
        name: Metric name, a key of the declaration ``METRICS``.
        title: What people call it.
        group: Part of the face.
        value: Value corrected to a frontal, closed-mouth face; None if the photo does not support it.
        unit: Unit of the value.
        score: 0..100; None like the value.
        percentile: Percentile of the value among the reference faces, 0..100; None like the value.
        reason: Why there is no value; None if there is one.
    """

    name: str
    title: str
    group: Group
    value: float | None
    unit: Unit
    score: float | None
    percentile: float | None
    reason: str | None


@dataclass(frozen=True)
class Pose:
    """Head pose in degrees.

    Attributes:
        yaw: Positive if the face points to the left of the image.
        pitch: Positive if the face points down; 0 is the average portrait.
        roll: Positive if the eye on the right of the image is lower.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Geometry:
    """The geometric score of one face and everything it is made of.

    Attributes:
        score: Geometric score (psl), 0..100; None if the photo supports less than half of it.
        total: Weighted mean of the metric scores before the map to ``score``, 0..100; None likewise.
        sex: Parameter set it was scored with.
        design: What ``score`` is: the metrics, the shape model, or the mean of both.
        groups: Score of each group, 0..100; None where the photo supports less than half of it.
        metrics: All metrics in the order of ``METRICS``.
        pose: Head pose.
        quality: Reliability and warnings.
        mouth_opening: Distance between the lips in mouth widths.
        fit: Root mean square distance of stable landmarks from the mean shape, outer-canthal widths.
    """

    score: float | None
    total: float | None
    sex: ParameterSet
    design: GeometryDesign
    groups: Mapping[Group, float | None]
    metrics: tuple[Measurement, ...]
    pose: Pose
    quality: Quality
    mouth_opening: float
    fit: float


def measure(capture: Capture, sex: Sex | None = None, design: GeometryDesign = "metrics") -> Geometry:
    """Measures and scores a face.

    Args:
        capture: Landmarks of the face.
        sex: Parameter set; absent means pooled. Nothing guesses it.
        design: What the score is made of.

    Raises:
        GeometryError: The landmarks are not those of a face: wrong shape, not finite, or degenerate.
    """
    landmarks = _checked(capture.landmarks, capture.width, capture.height)
    first = _checked(capture.first, capture.photo_width, capture.photo_height)
    reference = load_reference()
    parameter_set: ParameterSet = sex or "pooled"
    parameters = reference.parameters[parameter_set]
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            face = canonical_face(landmarks * [capture.width, capture.height, capture.width], reference)
            blamed = unsupported_metrics(face, capture)
            quality = assess(face, capture, set(blamed.values()))
            raw = np.array([metric.measure(face) for metric in METRICS])
            values = correct_to_frontal(raw, face)
            scores = score_values(values, parameters, reference.one_sided)
            supported = np.array([metric.name not in blamed for metric in METRICS])
            total = weighted_mean(scores, parameters.weight, supported)
            groups = _group_scores(scores, supported, parameters, reference)
            score = None if total is None else logistic(total, parameters.total, reference.logistic_slope)
            if design != "metrics":
                score = _with_shape(score, face, parameter_set, design, reference, blamed)
            measurements = _measurements(values, scores, percentiles(values, parameters), blamed)
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise GeometryError(f"The landmarks are degenerate: {error}.") from error
    return Geometry(
        score=score,
        total=total,
        sex=parameter_set,
        design=design,
        groups=groups,
        metrics=measurements,
        pose=Pose(face.yaw, face.pitch, _roll(first, capture.photo_width, capture.photo_height)),
        quality=quality,
        mouth_opening=face.mouth_opening,
        fit=face.fit,
    )


def _checked(landmarks: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    if landmarks.shape != (LANDMARKS, 3):
        raise GeometryError(f"The landmarks have the shape {landmarks.shape}, not ({LANDMARKS}, 3).")
    if not np.isfinite(landmarks).all():
        raise GeometryError("The landmarks are not finite.")
    if np.abs(landmarks).max() > _LARGEST_COORDINATE:
        raise GeometryError("The landmarks are not normalised by the size of the photo.")
    if width <= 0 or height <= 0:
        raise GeometryError(f"The landmarks refer to a picture of {width} x {height} pixels.")
    return landmarks


def _roll(first: NDArray[np.float64], width: int, height: int) -> float:
    return float(np.degrees(eye_line_angle(first * [width, height, width])))


def _group_scores(
    scores: NDArray[np.float64], supported: NDArray[np.bool_], parameters: Parameters, reference: Reference
) -> Mapping[Group, float | None]:
    result: dict[Group, float | None] = {}
    for group in GROUPS:
        members = np.array([metric.group == group for metric in METRICS])
        mean = weighted_mean(scores[members], parameters.weight[members], supported[members])
        distribution = parameters.groups[group]
        result[group] = None if mean is None else logistic(mean, distribution, reference.logistic_slope)
    return result


def _with_shape(
    metrics_score: float | None,
    face: CanonicalFace,
    parameter_set: ParameterSet,
    design: GeometryDesign,
    reference: Reference,
    blamed: Mapping[str, Factor],
) -> float | None:
    # The model looks at every landmark, as the distance to the average face does.
    if metrics_score is None or "distance_to_mean" in blamed:
        return None
    shape = shape_score(face, parameter_set, reference.logistic_slope)
    return shape if design == "shape" else (shape + metrics_score) / 2


def _measurements(
    values: NDArray[np.float64],
    scores: NDArray[np.float64],
    ranks: NDArray[np.float64],
    blamed: Mapping[str, Factor],
) -> tuple[Measurement, ...]:
    columns = zip(METRICS, values.tolist(), scores.tolist(), ranks.tolist(), strict=True)
    result = []
    for metric, value, score, percentile in columns:
        supported = metric.name not in blamed
        result.append(
            Measurement(
                name=metric.name,
                title=metric.title,
                group=metric.group,
                value=value if supported else None,
                unit=metric.unit,
                score=score if supported else None,
                percentile=percentile if supported else None,
                reason=None if supported else REASONS[blamed[metric.name]],
            )
        )
    return tuple(result)
