"""The canonical frame: a face turned and scaled onto the mean shape, and the head pose that this undoes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facestats.geometry.anatomy import (
    BROWS,
    CHEILION,
    ENDOCANTHION,
    EXOCANTHION,
    SHAPE_LANDMARKS,
    STOMION_LOWER,
    STOMION_UPPER,
    ZYGION,
)
from facestats.geometry.reference import Reference

_MIRROR_X = np.array([-1.0, 1.0, 1.0])

_FLATTEST = 1e-6
"""Smallest width / length of a set of points whose orientation can still be told."""


class GeometryError(ValueError):
    """The landmarks are not those of a face: not finite, out of range or degenerate."""


@dataclass(frozen=True)
class Similarity:
    """``scale * points @ rotation.T + translation``.

    Attributes:
        scale: Positive.
        rotation: [3, 3] float64, proper (determinant 1).
        translation: [3] float64.
    """

    scale: float
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transforms [N, 3] points."""
        return self.scale * points @ self.rotation.T + self.translation


def fit_similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> Similarity:
    """Least-squares similarity transform of ``source`` onto ``target``, both [N, 3], without reflection.

    After Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991.

    Raises:
        GeometryError: The points lie on a line or in one place.
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred = source - source_mean
    left, singular, right = np.linalg.svd((target - target_mean).T @ centred)
    if not singular[1] > _FLATTEST * singular[0]:
        raise GeometryError("The landmarks are degenerate: they lie on a line or in one place.")
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * signs) @ right
    scale = float((singular * signs).sum() / np.square(centred).sum())
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def root_mean_square(offsets: NDArray[np.float64]) -> float:
    """Square root of the mean squared length of [N, 3] offsets."""
    return float(np.sqrt(np.square(offsets).sum(1).mean()))


@dataclass(frozen=True)
class CanonicalFace:
    """A face in the canonical frame: x right, y down, z away, outer-canthal width of the mean shape 1.

    Attributes:
        points: [478, 3] float64.
        reference: The constants it was fitted with.
        yaw: Degrees; positive if the face points to the left of the image.
        pitch: Degrees; positive if the face points down, 0 is the average portrait.
        fit: Root mean square distance of the basis landmarks from the mean shape.
    """

    points: NDArray[np.float64]
    reference: Reference
    yaw: float
    pitch: float
    fit: float

    @cached_property
    def _x(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.points[:, 0])

    @cached_property
    def _y(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(self.points[:, 1])

    def distance(self, start: int, end: int) -> float:
        """Distance of two landmarks in the frontal plane."""
        return float(np.hypot(self._x[end] - self._x[start], self._y[end] - self._y[start]))

    def mean_distance(self, pairs: tuple[tuple[int, int], ...]) -> float:
        """Mean distance of several pairs of landmarks in the frontal plane."""
        starts, ends = np.array(pairs).T
        return float(np.hypot(self._x[ends] - self._x[starts], self._y[ends] - self._y[starts]).mean())

    def drop(self, upper: int, lower: int) -> float:
        """How far ``lower`` lies below ``upper``; negative if above."""
        return float(self._y[lower] - self._y[upper])

    def rise(self, inner: tuple[int, int], outer: tuple[int, int]) -> float:
        """Mean angle of inner -> outer above the horizontal over both sides, degrees, in (-180, 180]."""
        inner_index, outer_index = list(inner), list(outer)
        outward = (self._x[outer_index] - self._x[inner_index]) * [-1.0, 1.0]
        upward = self._y[inner_index] - self._y[outer_index]
        return float(np.degrees(np.arctan2(upward, outward)).mean())

    def angle_between(self, first: tuple[int, int], second: tuple[int, int]) -> float:
        """Angle between the vectors first[0] -> first[1] and second[0] -> second[1], degrees, 0..180."""
        starts, ends = np.array([first, second]).T
        (x0, x1), (y0, y1) = self._x[ends] - self._x[starts], self._y[ends] - self._y[starts]
        if np.hypot(x0, y0) * np.hypot(x1, y1) == 0:
            raise GeometryError("The landmarks are degenerate: two of them coincide.")
        return float(np.degrees(np.arctan2(abs(x0 * y1 - x1 * y0), x0 * x1 + y0 * y1)))

    @cached_property
    def face_width(self) -> float:
        """Bizygomatic width, ZY."""
        return self.distance(*ZYGION)

    @cached_property
    def eye_width(self) -> float:
        """Mean width of the eyes, EW."""
        return (self.distance(EXOCANTHION[0], ENDOCANTHION[0]) + self.distance(EXOCANTHION[1], ENDOCANTHION[1])) / 2

    @cached_property
    def _eye_midpoints(self) -> NDArray[np.float64]:
        return (self.points[list(EXOCANTHION), :2] + self.points[list(ENDOCANTHION), :2]) / 2

    @cached_property
    def pupil_distance(self) -> float:
        """Distance of the eye midpoints, IPD; the irises themselves follow the gaze."""
        right, left = self._eye_midpoints
        return float(np.hypot(*(left - right)))

    @cached_property
    def eye_level(self) -> float:
        """Mean y of the eye midpoints, EY."""
        return float(self._eye_midpoints[:, 1].mean())

    @cached_property
    def brow_level(self) -> float:
        """Mean y of the brows, BY."""
        return float(self._y[np.array(BROWS)].mean())

    @cached_property
    def mouth_opening(self) -> float:
        """Distance between the lips in mouth widths."""
        return self.distance(STOMION_UPPER, STOMION_LOWER) / _positive(self.distance(*CHEILION))

    @cached_property
    def _mirrored(self) -> NDArray[np.float64]:
        mirrored: NDArray[np.float64] = self.points[self.reference.mirror] * _MIRROR_X
        return mirrored[:SHAPE_LANDMARKS]

    @cached_property
    def symmetric_shape(self) -> NDArray[np.float64]:
        """[468, 3] mean of the face and its mirror image."""
        symmetric: NDArray[np.float64] = (self.points[:SHAPE_LANDMARKS] + self._mirrored) / 2
        return symmetric

    def asymmetry(self) -> float:
        """Root mean square distance from the fitted mirror image, halved."""
        shape = self.points[:SHAPE_LANDMARKS]
        fitted = fit_similarity(shape, self._mirrored).apply(shape)
        return root_mean_square(fitted - self._mirrored) / 2

    def distance_to_mean(self) -> float:
        """Root mean square distance of the symmetrised shape, fitted to the mean shape, from it."""
        mean_shape = self.reference.mean_shape[:SHAPE_LANDMARKS]
        fitted = fit_similarity(self.symmetric_shape, mean_shape).apply(self.symmetric_shape)
        return root_mean_square(fitted - mean_shape)


def canonical_face(pixels: NDArray[np.float64], reference: Reference) -> CanonicalFace:
    """Turns a face to the front by fitting its expression-stable landmarks to the mean shape.

    Args:
        pixels: [478, 3] float64, x right, y down, z away from the camera, all in pixels.
        reference: The constants of the score.

    Raises:
        GeometryError: The landmarks are degenerate.
    """
    target = reference.mean_shape[reference.basis]
    fitted = fit_similarity(pixels[reference.basis], target)
    points = fitted.apply(pixels)
    head_to_camera = fitted.rotation.T
    return CanonicalFace(
        points=points,
        reference=reference,
        yaw=float(np.degrees(np.arctan2(head_to_camera[0, 2], head_to_camera[2, 2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(-head_to_camera[1, 2], -1.0, 1.0)))),
        fit=root_mean_square(points[reference.basis] - target),
    )


def eye_line_angle(points: NDArray[np.float64]) -> float:
    """Roll: angle of the line between the eyes, radians; positive if the eye on the right of the image is lower.

    Args:
        points: [478, 2] or [478, 3] landmarks, pixels.
    """
    (right_outer, left_outer), (right_inner, left_inner) = EXOCANTHION, ENDOCANTHION
    across = points[[left_outer, left_inner], :2].mean(0) - points[[right_outer, right_inner], :2].mean(0)
    return float(np.arctan2(across[1], across[0]))


def _positive(length: float) -> float:
    if length <= 0:
        raise GeometryError("The landmarks are degenerate: two of them coincide.")
    return length
