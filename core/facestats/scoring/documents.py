"""Typed results to the API's documents."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from facestats.faces.measurer import MeasuredFace, MeasuredPhoto
from facestats.faces.options import ScoreOptions
from facestats.geometry import Capture
from facestats.holistic.backend import Holistic
from facestats.holistic.provenance import Provenance
from facestats.problems import Problem
from facestats.scoring.blend import blend
from facestats.scoring.interval import Interval, blended_interval
from facestats.scoring.receipt import Design, receipt
from facestats.scoring.schemas import (
    AttributeDocument,
    BlendDocument,
    FaceDocument,
    GeometricDocument,
    HolisticDocument,
    IntervalDocument,
    MetricDocument,
    ModelDocument,
    PoseDocument,
    QualityDocument,
    ScoreDocument,
    TimingDocument,
)

UNTRAINED_NOTICE = (
    "The holistic half is computed with untrained (random) weights and means nothing; "
    "export trained weights before using any score."
)
UNCALIBRATED_NOTICE = "The regressor has no calibration, so its output is on no common scale and there is no blend."
DEGRADED_NOTICE = "The model server is away; only the geometric half was computed."


def score_document(
    photo: MeasuredPhoto,
    holistic: Holistic | None,
    options: ScoreOptions,
    provenance: Provenance,
    design: Design,
    seconds: Mapping[str, float],
) -> ScoreDocument:
    """The answer for one photo.

    Args:
        photo: Its measured faces.
        holistic: Triton's answer for ``photo.pixels``; ``None`` when geometry answers alone.
        options: The caller's choices.
        provenance: What Triton serves.
        design: How the score is made.
        seconds: Time by stage.

    Raises:
        Problem: Triton's answer is not a number.
    """
    model = model_document(provenance, design)
    faces = []
    for index, face in enumerate(photo.faces):
        row = index if options.crop == "aligned" else 0
        half = None if holistic is None else _holistic_document(holistic, row, options, provenance)
        embedding = None if holistic is None or holistic.embedding is None else holistic.embedding[row].tolist()
        faces.append(_face_document(face, half, embedding, options, design, model.receipt))
    return ScoreDocument(
        faces=faces,
        faces_found=photo.faces[0].capture.faces_found,
        model=model,
        degraded=holistic is None,
        notices=notices(provenance, degraded=holistic is None),
        timing_ms=TimingDocument(**{stage: value * 1e3 for stage, value in seconds.items()}),
    )


def model_document(provenance: Provenance, design: Design) -> ModelDocument:
    """Which model answers, as far as Triton says."""
    return ModelDocument(
        weights=provenance.weights,
        clip=provenance.get("clip"),
        regressor=provenance.get("regressor"),
        training=provenance.parameters.get("training"),
        calibration=provenance.get("calibration"),
        precision=provenance.get("precision"),
        receipt=receipt(provenance, design),
    )


def notices(provenance: Provenance, *, degraded: bool) -> list[str]:
    """What a reader of a score must know about the served weights."""
    said = []
    if degraded:
        said.append(DEGRADED_NOTICE)
    if provenance.weights == "untrained":
        said.append(UNTRAINED_NOTICE)
    if not provenance.calibrated:
        said.append(UNCALIBRATED_NOTICE)
    return said


def _face_document(
    face: MeasuredFace,
    half: HolisticDocument | None,
    embedding: list[float] | None,
    options: ScoreOptions,
    design: Design,
    receipt: str,
) -> FaceDocument:
    geometry, weights, repeatability = face.geometry, design.blend, design.repeatability
    reliability = geometry.quality.reliability
    score = blend(geometry.score, half.score if half else None, weights)
    geometric = repeatability.geometric_interval(
        geometry.score, reliability, capture=options.capture, sex=geometry.sex, design=geometry.design
    )
    holistic = repeatability.holistic_interval(half.score if half else None, reliability, receipt)
    blended = blended_interval(
        score, _placed(geometry.score, geometric), _placed(half.score if half else None, holistic), weights
    )
    overlay = None if face.overlay is None else "data:image/jpeg;base64," + base64.b64encode(face.overlay).decode()
    return FaceDocument(
        score=score,
        interval=_interval_document(blended),
        geometric=_geometric_document(face, geometric),
        holistic=half and half.model_copy(update={"interval": _interval_document(holistic)}),
        blend=BlendDocument(geometric=weights.geometric, holistic=weights.holistic),
        box=_box(face.capture),
        pose=PoseDocument(yaw=geometry.pose.yaw, pitch=geometry.pose.pitch, roll=geometry.pose.roll),
        quality=QualityDocument(
            reliability=geometry.quality.reliability,
            level=geometry.quality.level,
            warnings=[*geometry.quality.warnings, *face.conditions.warnings],
            factors={**geometry.quality.factors, **face.conditions.factors},
        ),
        landmarks=_photo_landmarks(face.capture) if "landmarks" in options.include else None,
        embedding=embedding,
        overlay=overlay,
    )


def _holistic_document(holistic: Holistic, row: int, options: ScoreOptions, provenance: Provenance) -> HolisticDocument:
    score, raw = float(holistic.score[row]), float(holistic.raw[row])
    if not math.isfinite(raw) or (provenance.calibrated and not math.isfinite(score)):
        raise Problem("internal-error", "The model server answered with something that is not a number.")
    return HolisticDocument(
        score=score if provenance.calibrated else None,
        raw=raw,
        crop=options.crop,
        attributes={
            name: _attribute_document(labels[row], probabilities[row], provenance.attributes[name])
            for name, (labels, probabilities) in holistic.attributes.items()
        }
        or None,
    )


def _attribute_document(
    label: object, probabilities: NDArray[np.float32], classes: tuple[str, ...]
) -> AttributeDocument:
    text = label.decode() if isinstance(label, bytes) else str(label)
    return AttributeDocument(label=text, probability=dict(zip(classes, map(float, probabilities), strict=True)))


def _placed(score: float | None, interval: Interval | None) -> tuple[float, Interval] | None:
    return None if score is None or interval is None else (score, interval)


def _interval_document(interval: Interval | None) -> IntervalDocument | None:
    return None if interval is None else IntervalDocument(low=interval.low, high=interval.high)


def _geometric_document(face: MeasuredFace, interval: Interval | None) -> GeometricDocument:
    geometry = face.geometry
    return GeometricDocument(
        score=geometry.score,
        interval=_interval_document(interval),
        sex=geometry.sex,
        design=geometry.design,
        groups=dict(geometry.groups),
        metrics=[
            MetricDocument(
                name=metric.name,
                title=metric.title,
                group=metric.group,
                value=metric.value,
                unit=metric.unit,
                score=metric.score,
                percentile=metric.percentile,
                reason=metric.reason,
            )
            for metric in geometry.metrics
        ],
    )


def _box(capture: Capture) -> tuple[float, float, float, float]:
    points = np.clip(capture.first[:468, :2], 0.0, 1.0)
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return float(left), float(top), float(right), float(bottom)


def _photo_landmarks(capture: Capture) -> list[tuple[float, float, float]]:
    """The measured landmarks over the photo: x over its width, y over its height, z over its width."""
    plane = capture.photo_points() / [capture.photo_width, capture.photo_height]
    scale = float(np.hypot(*capture.frame_to_photo[0, :2])) * capture.width / capture.photo_width
    depth = capture.landmarks[:, 2] * scale
    return [(float(x), float(y), float(z)) for (x, y), z in zip(plane, depth, strict=True)]
