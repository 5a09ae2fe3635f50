"""Captures of faces: the landmarks found by one look at the photo or, for stable measurements, by three."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from facestats.faces.turned import SeenFace, see_faces
from facestats.geometry.anatomy import SHAPE_LANDMARKS
from facestats.geometry.canonical import eye_line_angle
from facestats.geometry.capture import Capture, CaptureMode
from facestats.geometry.reference import load_reference
from facestats.images.warping import warp
from facestats.landmarks.engine import FoundFace, LandmarkEngine

CROP_SIDE = 512
"""Side of the upright crop that the second pass looks at, pixels."""

_CROP_MARGIN = 2.0
"""Side of the crop in longer sides of the face's bounding box."""

_ANGLE_STEP = np.radians(0.5)
_SCALE_STEP = 1.01
_SHIFT_STEP = 4.0
"""Steps of the crop's angle (radians), scale (ratio) and place (pixels of the crop)."""


def capture(engine: LandmarkEngine, rgb: NDArray[np.uint8], mode: CaptureMode) -> Capture | None:
    """Captures the largest face of a photo, or returns None where there is none.

    Args:
        engine: This thread's. One that finds a single face finds the one it is surest of, which then counts as the
            largest.
        rgb: [H, W, 3] uint8.
        mode: ``stable`` (three looks) or ``fast`` (one).
    """
    captures = capture_all(engine, rgb, mode, max_faces=1)
    return captures[0] if captures else None


def capture_all(engine: LandmarkEngine, rgb: NDArray[np.uint8], mode: CaptureMode, max_faces: int) -> list[Capture]:
    """Captures up to ``max_faces`` faces of a photo, largest first; the photo may lie on its side or head.

    Args:
        engine: This thread's; it finds at most its own ``max_faces``.
        rgb: [H, W, 3] uint8.
        mode: ``stable`` (one look, and two more for each face) or ``fast`` (one look).
        max_faces: Most faces returned.
    """
    rgb = np.ascontiguousarray(rgb)
    seen = see_faces(engine, rgb, max_faces)
    captures = [_capture_face(engine, rgb, face, mode) for face in seen[:max_faces]]
    return [replace(captured, faces_found=len(seen)) for captured in captures]


def _capture_face(engine: LandmarkEngine, rgb: NDArray[np.uint8], face: SeenFace, mode: CaptureMode) -> Capture:
    height, width = rgb.shape[:2]
    first = face.on_photo(width, height)
    turns = face.view.turns
    if mode == "stable":
        to_crop = upright_crop_matrix(first[:, :2] * [width, height])
        landmarks = _second_pass(engine, warp(rgb, to_crop, (CROP_SIDE, CROP_SIDE)))
        if landmarks is not None:
            to_photo = np.asarray(cv2.invertAffineTransform(to_crop), np.float64)
            return Capture(landmarks, CROP_SIDE, CROP_SIDE, first, width, height, mode, to_photo, turns)
    view_height, view_width = face.view.rgb.shape[:2]
    to_photo = face.view.to_photo()
    return Capture(face.landmarks, view_width, view_height, first, width, height, mode, to_photo, turns)


def upright_crop_matrix(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity transform of photo pixels to an upright ``CROP_SIDE`` square around the face, in round numbers.

    Landmarks answer to the last bit of the pixels they are found in: crops that differ by a thousandth of a pixel move
    a score by a tenth of a point. So angle, scale and place come in steps, far coarser than what engines or an image
    encoded anew differ by and far finer than what the second look would notice: nearly always the same pixels are cut.

    Args:
        points: [478, 2] landmarks, pixels of the photo.

    Returns:
        [2, 3] float64 affine matrix.
    """
    angle = _ANGLE_STEP * round(eye_line_angle(points) / _ANGLE_STEP)
    cosine, sine = np.cos(angle), np.sin(angle)
    upright = np.array([[cosine, sine], [-sine, cosine]])
    turned = points[:SHAPE_LANDMARKS] @ upright.T
    low, high = turned.min(0), turned.max(0)
    scale = CROP_SIDE / (_CROP_MARGIN * (high - low).max())
    scale = _SCALE_STEP ** round(np.log(scale) / np.log(_SCALE_STEP))
    shift = _SHIFT_STEP * np.round((CROP_SIDE / 2 - scale * (low + high) / 2) / _SHIFT_STEP)
    return np.hstack([scale * upright, shift[:, None]])


def _second_pass(engine: LandmarkEngine, crop: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Mean of the landmarks in the crop and in its mirror image, [478, 3]; None if neither shows the face."""
    straight, mirror_image = engine.detect([crop, np.asarray(cv2.flip(crop, 1), np.uint8)])
    seen, mirrored = _central_face(straight), _central_face(mirror_image)
    if mirrored is not None:
        mirrored = mirrored[load_reference().mirror] * [-1.0, 1.0, 1.0] + [1.0, 0.0, 0.0]
    both = [face for face in (seen, mirrored) if face is not None]
    return np.mean(both, axis=0) if both else None


def _central_face(faces: list[FoundFace]) -> NDArray[np.float64] | None:
    """The face the crop was made for: not a neighbour's, whose centre lies outside this face's box."""
    central = min((face.landmarks for face in faces), key=_distance_from_centre, default=None)
    return central if central is not None and _distance_from_centre(central) < 0.5 / _CROP_MARGIN else None


def _distance_from_centre(face: NDArray[np.float64]) -> float:
    points = face[:SHAPE_LANDMARKS, :2]
    return float(np.abs((points.min(0) + points.max(0)) / 2 - 0.5).max())
