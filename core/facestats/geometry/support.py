"""Which metrics a photo cannot support, and why."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from facestats.geometry.anatomy import (
    CHEILION,
    CHIN_CONTOUR,
    GNATHION,
    GONION,
    LABIALE_INFERIUS,
    LABIALE_SUPERIUS,
    SHAPE_LANDMARKS,
    STOMION_LOWER,
    STOMION_UPPER,
    ZYGION,
)
from facestats.geometry.canonical import CanonicalFace
from facestats.geometry.capture import Capture
from facestats.geometry.metrics import METRICS
from facestats.geometry.quality import Factor

_HIDING_YAW = 60.0
"""Turned further, degrees, the far half of the face is hidden and its landmarks are guesses."""

_BORDER = 0.03
"""How far a landmark may lie beyond the photo's border, face widths: the mesh's own noise at its contour."""

_SHAPE_OUTSIDE = 0.05
"""Largest share of the landmarks outside the photo that metrics of the whole shape bear."""

_MIDLINE = 0.02
"""Landmarks of the mean shape nearer than this to its midline belong to neither side, outer-canthal widths."""

REASONS: Mapping[Factor, str] = {
    "pose": "The head is turned so far that one side of the face is hidden.",
    "framing": "It is measured at a part of the face that lies outside the photo.",
    "mouth": "The mouth is open too wide to tell the shape of the closed mouth and the chin.",
}
"""Why a metric is unsupported, by the factor of the reliability that is to blame."""

_MOVED_BY_MOUTH = frozenset(
    {LABIALE_SUPERIUS, STOMION_UPPER, STOMION_LOWER, LABIALE_INFERIUS, GNATHION, *CHEILION, *CHIN_CONTOUR, *GONION}
)
"""Landmarks that an opening mouth moves."""


def unsupported_metrics(face: CanonicalFace, capture: Capture) -> dict[str, Factor]:
    """Finds the metrics whose landmarks the photo does not show, or shows beyond what can be corrected.

    Args:
        face: The measured face.
        capture: Its landmarks; those of pass 1 tell what lies outside the photo.

    Returns:
        Metric name -> the factor to blame, a key of ``REASONS``. Metrics that are supported are absent.
    """
    outside = _outside(capture)
    shape_outside = bool(outside[:SHAPE_LANDMARKS].mean() > _SHAPE_OUTSIDE)
    hidden = _hidden(face)
    mouth_wide_open = face.mouth_opening > face.reference.limits.mouth
    blamed: dict[str, Factor] = {}
    if not (outside.any() or hidden.any() or mouth_wide_open):
        return blamed
    for metric in METRICS:
        landmarks = list(metric.landmarks)
        whole_shape = len(landmarks) == SHAPE_LANDMARKS
        if hidden[landmarks].any():
            blamed[metric.name] = "pose"
        elif shape_outside if whole_shape else outside[landmarks].any():
            blamed[metric.name] = "framing"
        elif mouth_wide_open and not _MOVED_BY_MOUTH.isdisjoint(landmarks):
            blamed[metric.name] = "mouth"
    return blamed


def _outside(capture: Capture) -> NDArray[np.bool_]:
    """[478] bool: beyond the photo's border by more than the mesh's noise."""
    size = np.array([capture.photo_width, capture.photo_height], np.float64)
    pixels = capture.first[:, :2] * size
    margin = _BORDER * float(np.hypot(*(pixels[ZYGION[1]] - pixels[ZYGION[0]])))
    outside: NDArray[np.bool_] = ((pixels < -margin) | (pixels > size + margin)).any(1)
    return outside


def _hidden(face: CanonicalFace) -> NDArray[np.bool_]:
    """[478] bool: on the far side of a face in profile."""
    across = face.reference.mean_shape[:, 0]
    if abs(face.yaw) <= _HIDING_YAW:
        return np.zeros(len(across), np.bool_)
    # A face that points to the left of the image turns the half on that side away.
    far: NDArray[np.bool_] = across < -_MIDLINE if face.yaw > 0 else across > _MIDLINE
    return far
