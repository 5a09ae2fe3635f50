"""Face landmarks: MediaPipe Face Mesh, run once or, for stable measurements, three times per face."""

from __future__ import annotations

import dataclasses
import os
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from facestats.geometry.anatomy import SHAPE_LANDMARKS
from facestats.geometry.canonical import eye_line_angle
from facestats.geometry.capture import Capture, CaptureMode
from facestats.geometry.reference import load_reference
from facestats.images.warping import warp

CROP_SIDE = 512
"""Side of the upright crop that the second pass looks at, pixels."""

_CROP_MARGIN = 2.0
"""Side of the crop in longer sides of the face's bounding box."""


class FaceMesh:
    """MediaPipe Face Mesh with refined landmarks, in static image mode.

    Keep one object per thread for the thread's whole life: creating and closing leaks memory inside MediaPipe, and
    sharing one between threads corrupts its timestamps.

    Args:
        max_faces: Most faces found in one image.
    """

    def __init__(self, max_faces: int = 1) -> None:
        # MediaPipe's C++ part reads its log level once, when it is loaded; warnings about every graph are noise.
        os.environ.setdefault("GLOG_minloglevel", "2")
        from mediapipe.python.solutions import face_mesh

        self.max_faces = max_faces
        self._mesh = face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=max_faces, refine_landmarks=True, min_detection_confidence=0.5
        )

    def detect(self, rgb: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
        """Finds faces.

        Args:
            rgb: [H, W, 3] uint8.

        Returns:
            One [478, 3] float64 array per face, in Face Mesh's order: x over W, y over H, z over W.
        """
        result = self._mesh.process(np.ascontiguousarray(rgb))
        return [
            np.array([(point.x, point.y, point.z) for point in face.landmark], np.float64)
            for face in result.multi_face_landmarks or ()
        ]

    def close(self) -> None:
        """Releases MediaPipe's graph."""
        self._mesh.close()

    def __enter__(self) -> FaceMesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def capture(mesh: FaceMesh, rgb: NDArray[np.uint8], mode: CaptureMode) -> Capture | None:
    """Captures the largest face of an upright photo, or returns None where there is none.

    Args:
        mesh: This thread's Face Mesh. With ``max_faces=1`` the face it is surest of counts as the largest.
        rgb: [H, W, 3] uint8, upright.
        mode: ``stable`` (three mesh runs) or ``fast`` (one).
    """
    captures = capture_all(mesh, rgb, mode, max_faces=1)
    return captures[0] if captures else None


def capture_all(mesh: FaceMesh, rgb: NDArray[np.uint8], mode: CaptureMode, max_faces: int) -> list[Capture]:
    """Captures up to ``max_faces`` faces of an upright photo, largest first.

    Args:
        mesh: This thread's Face Mesh; it finds at most its own ``max_faces``.
        rgb: [H, W, 3] uint8, upright.
        mode: ``stable`` (one mesh run, and two more for each face) or ``fast`` (one run).
        max_faces: Most faces returned.
    """
    height, width = rgb.shape[:2]
    found = sorted(mesh.detect(rgb), key=lambda face: -_box_area(face * [width, height, 0]))
    return [
        dataclasses.replace(_capture_face(mesh, rgb, face, mode), faces_found=len(found)) for face in found[:max_faces]
    ]


def _capture_face(mesh: FaceMesh, rgb: NDArray[np.uint8], first: NDArray[np.float64], mode: CaptureMode) -> Capture:
    height, width = rgb.shape[:2]
    if mode == "stable":
        to_crop = upright_crop_matrix(first[:, :2] * [width, height])
        landmarks = _second_pass(mesh, warp(rgb, to_crop, (CROP_SIDE, CROP_SIDE)))
        if landmarks is not None:
            to_photo = np.asarray(cv2.invertAffineTransform(to_crop), np.float64)
            return Capture(landmarks, CROP_SIDE, CROP_SIDE, first, width, height, mode, to_photo)
    return Capture(first, width, height, first, width, height, mode, np.eye(2, 3, dtype=np.float64))


def upright_crop_matrix(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity transform of photo pixels to an upright ``CROP_SIDE`` square around the face.

    Args:
        points: [478, 2] landmarks, pixels of the photo.

    Returns:
        [2, 3] float64 affine matrix.
    """
    angle = eye_line_angle(points)
    cosine, sine = np.cos(angle), np.sin(angle)
    upright = np.array([[cosine, sine], [-sine, cosine]])
    turned = points[:SHAPE_LANDMARKS] @ upright.T
    low, high = turned.min(0), turned.max(0)
    scale = CROP_SIDE / (_CROP_MARGIN * (high - low).max())
    shift = CROP_SIDE / 2 - scale * (low + high) / 2
    return np.hstack([scale * upright, shift[:, None]])


def _second_pass(mesh: FaceMesh, crop: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Mean of the landmarks in the crop and in its mirror image, [478, 3]; None if neither shows the face."""
    seen = _central_face(mesh.detect(crop))
    mirrored = _central_face(mesh.detect(crop[:, ::-1]))
    if mirrored is not None:
        mirrored = mirrored[load_reference().mirror] * [-1.0, 1.0, 1.0] + [1.0, 0.0, 0.0]
    both = [face for face in (seen, mirrored) if face is not None]
    return np.mean(both, axis=0) if both else None


def _central_face(faces: list[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """The face the crop was made for: not a neighbour's, whose centre lies outside this face's box."""
    central = min(faces, key=_distance_from_centre, default=None)
    return central if central is not None and _distance_from_centre(central) < 0.5 / _CROP_MARGIN else None


def _distance_from_centre(face: NDArray[np.float64]) -> float:
    points = face[:SHAPE_LANDMARKS, :2]
    return float(np.abs((points.min(0) + points.max(0)) / 2 - 0.5).max())


def _box_area(points: NDArray[np.float64]) -> float:
    return float(np.prod(np.ptp(points[:SHAPE_LANDMARKS, :2], axis=0)))
