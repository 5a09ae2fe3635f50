"""What the face detector's answer means: boxes, key points and confidence, freed of duplicates.

The decoding is that of MediaPipe's short-range face detector (BlazeFace; Bazarevsky et al., 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facestats.landmarks.engine import DETECTION_CONFIDENCE
from facestats.landmarks.networks import DETECTOR_SIDE

_GRIDS = ((16, 2), (8, 6))
"""Anchors lie on a grid of so many places a side, so many at each place."""

_SAME_FACE = 0.3
"""Boxes that overlap more, by intersection over union, are the same face."""

_LEAST_LOGIT = float(np.log(DETECTION_CONFIDENCE / (1.0 - DETECTION_CONFIDENCE)))
_LARGEST_LOGIT = 100.0


@dataclass(frozen=True)
class Detection:
    """A face as the detector sees it; coordinates are shares of the detector's square picture.

    Attributes:
        confidence: 0.5..1.
        low: [2] left and top of the box.
        high: [2] right and bottom.
        points: [6, 2] right eye, left eye, nose, mouth, right ear, left ear.
    """

    confidence: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    points: NDArray[np.float64]


def _anchors() -> NDArray[np.float64]:
    """[896, 2] centres of the anchors, row by row, shares of the picture."""
    return np.array(
        [
            ((column + 0.5) / side, (row + 0.5) / side)
            for side, many in _GRIDS
            for row in range(side)
            for column in range(side)
            for _ in range(many)
        ]
    )


_ANCHORS = _anchors()


def decode_detections(boxes: NDArray[np.float32], logits: NDArray[np.float32]) -> list[Detection]:
    """Turns the detector's answer for one picture into faces, the surest first.

    Args:
        boxes: [896, 16] float32 in pixels of the detector's picture, relative to the anchors.
        logits: [896, 1] float32.
    """
    likely = np.flatnonzero(logits[:, 0] >= _LEAST_LOGIT)
    if not likely.size:
        return []
    confidence = 1.0 / (1.0 + np.exp(-np.minimum(logits[likely, 0].astype(np.float64), _LARGEST_LOGIT)))
    surest_first = np.argsort(-confidence, kind="stable")
    found, confidence = likely[surest_first], confidence[surest_first]
    values = boxes[found].astype(np.float64).reshape(-1, 8, 2) / DETECTOR_SIDE
    centre, size = values[:, 0] + _ANCHORS[found], values[:, 1]
    low, high = centre - size / 2, centre + size / 2
    # [faces, 8, 2]: both corners of the box, then the key points, so that all are averaged alike.
    places = np.concatenate([low[:, None], high[:, None], values[:, 2:] + _ANCHORS[found][:, None]], axis=1)
    sound = (size >= 0).all(1) & np.isfinite(places).all((1, 2))
    return _merged(places[sound], confidence[sound])


def _merged(places: NDArray[np.float64], confidence: NDArray[np.float64]) -> list[Detection]:
    """Weighted non-maximum suppression: boxes of the same face are averaged by their confidence."""
    faces = []
    while len(places):
        same = overlaps(places[0, 0], places[0, 1], places[:, 0], places[:, 1]) > _SAME_FACE
        # A box of no area overlaps nothing, not even itself.
        same[0] = True
        weight = confidence[same] / confidence[same].sum()
        mean = np.tensordot(weight, places[same], axes=1)
        faces.append(Detection(float(confidence[0]), mean[0], mean[1], mean[2:]))
        places, confidence = places[~same], confidence[~same]
    return faces


def overlaps(
    low: NDArray[np.float64], high: NDArray[np.float64], lows: NDArray[np.float64], highs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Intersection over union, 0..1, of a box with several.

    Args:
        low: [2] left upper corner.
        high: [2] right lower corner.
        lows: [N, 2] left upper corners.
        highs: [N, 2] right lower corners.
    """
    sides = np.clip(np.minimum(high, highs) - np.maximum(low, lows), 0.0, None)
    shared = sides[:, 0] * sides[:, 1]
    union = (high - low).prod() + (highs - lows).prod(1) - shared
    share: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share
