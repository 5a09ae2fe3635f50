"""What a photo's light, focus and framing do to a measurement, seen in the pixels around the face.

Every measure is made so that it does not depend on how dark a person's skin is: sharpness is a ratio of the face's own
details, darkness and clipping are read at the highlights (which shine alike on any skin), colour at the whites of the
eyes. None of them changes the score or its reliability: each is a factor and a sentence a person can act on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facestats.geometry import Capture
from facestats.geometry.anatomy import SHAPE_LANDMARKS, ZYGION
from facestats.geometry.canonical import eye_line_angle
from facestats.images.warping import warp

Condition = Literal["sharpness", "brightness", "highlights", "colour", "eyes", "edge", "company"]

WORTH_A_WARNING = 0.8
"""A factor below this is warned of, as are those of the reliability."""

_FACE_WIDTH = 128
"""Width of the face at which pixels are looked at, pixels: finer blur does not move landmarks."""

_LEAST_FACE_WIDTH = 64.0
"""Face width in the photo below which nothing is said of focus and colour, pixels: its size is the warning then."""

_FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""Face Mesh's outline of the face, in order."""

_EYES = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7), 468, (469, 470, 471, 472)),
    ((263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249), 473, (474, 475, 476, 477)),
)
"""Of each eye: the outline, the iris' centre and its border."""

_LIDS = ((33, 133, (159, 145), (160, 144), (158, 153)), (263, 362, (386, 374), (387, 373), (385, 380)))
"""Of each eye: its corners, and pairs of upper and lower lid (Soukupova & Cech 2016, "Eye blink detection")."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""ITU-R BT.709."""

_USUAL_WHITES = np.array([0.25, -0.09])
"""log2 of red/green and of blue/green in the whites of the eyes of well-lit portraits (median of 71)."""


@dataclass(frozen=True)
class Conditions:
    """What the pixels say of a face's photo.

    Attributes:
        factors: Each 0..1, 1 where nothing is wrong; absent where it cannot be told.
        warnings: What to change, one sentence each, worst first.
    """

    factors: Mapping[Condition, float]
    warnings: tuple[str, ...]


def examine(rgb: NDArray[np.uint8], capture: Capture, faces_found: int) -> Conditions:
    """Looks at focus, light, colour, eyes, borders and company of a face.

    Args:
        rgb: [H, W, 3] uint8, the upright photo.
        capture: The face's landmarks.
        faces_found: Faces seen in the photo; this is the largest of them, or one that was asked for.
    """
    points = capture.photo_points()
    width = float(np.hypot(*(points[ZYGION[1]] - points[ZYGION[0]])))
    factors: dict[Condition, float] = {"company": 1.0 if faces_found <= 1 else 0.5, "edge": _edge(capture)}
    eyes = eye_opening(points)
    factors["eyes"] = _ramp(eyes, 0.06, 0.16)
    if width > 0:
        face, at = _cut_out(rgb, points, width)
        inside = _filled(face.shape[:2], at[list(_FACE_OVAL)])
        if inside.any():
            factors["brightness"] = _ramp(float(np.percentile((face @ _LUMINANCE)[inside], 99)), 50.0, 100.0)
            clipped = float((face.min(axis=2)[inside] >= 250).mean())
            factors["highlights"] = float(2.0 ** -(clipped / 0.031))
            if width >= _LEAST_FACE_WIDTH:
                factors["sharpness"] = _ramp(sharpness(face, inside), 0.2, 0.4)
                colour = _colour_cast(face, at) if factors["eyes"] > WORTH_A_WARNING else None
                if colour is not None:
                    factors["colour"] = 1.0 - _ramp(colour, 0.5, 1.75)
    advice = _advice(faces_found)
    named = sorted((name for name in factors if factors[name] < WORTH_A_WARNING), key=factors.__getitem__)
    return Conditions(factors, tuple(advice[name] for name in named))


def sharpness(face: NDArray[np.uint8], inside: NDArray[np.bool_]) -> float:
    """How much of a face's coarse detail its fine detail has, in the direction that lost most.

    The structure tensors (Foerstner & Guelch 1987) of the details finer than a pixel's Gaussian and of those between
    one and four pixels are compared; the square root of their smallest generalised eigenvalue falls with blur in every
    direction and with motion along its own. Contrast and colour of the skin cancel out.

    Args:
        face: [H, W, 3] uint8, the face about 128 pixels wide.
        inside: [H, W] bool, the face.

    Returns:
        About 0.6 for a sharp photo, 0.3 for a blur of 0.8 % of the face's width, 0.15 for one of 2 %.
    """
    luminance = face.astype(np.float32) @ _LUMINANCE
    near, far = cv2.GaussianBlur(luminance, (0, 0), 1.0), cv2.GaussianBlur(luminance, (0, 0), 4.0)
    well_inside = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not well_inside.any():
        return 0.0
    a, b, c = _structure(luminance - near, well_inside)
    d, e, f = _structure(near - far, well_inside)
    # The smaller root of det(fine - ratio * coarse) = 0. A plain surface must not divide by zero.
    quadratic, linear, constant = d * f - e * e + 1e-6, a * f + c * d - 2 * b * e, a * c - b * b
    root = math.sqrt(max(0.0, linear * linear - 4 * quadratic * constant))
    return math.sqrt(max(0.0, (linear - root) / (2 * quadratic)))


def eye_opening(points: NDArray[np.float64]) -> float:
    """Height over width of the eye that is open wider, from [478, 2] landmarks; 0.1 and less is closed."""
    openings = []
    for outer, inner, *lids in _LIDS:
        height = np.mean([np.hypot(*(points[upper] - points[lower])) for upper, lower in lids])
        openings.append(float(height / max(1e-9, float(np.hypot(*(points[outer] - points[inner]))))))
    return max(openings)


def _cut_out(
    rgb: NDArray[np.uint8], points: NDArray[np.float64], width: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The upright face at ``_FACE_WIDTH``, never enlarged, and the landmarks in it."""
    angle = eye_line_angle(points)
    scale = min(1.0, _FACE_WIDTH / width)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points @ turn.T
    low, high = turned[:SHAPE_LANDMARKS].min(0) - 2, turned[:SHAPE_LANDMARKS].max(0) + 2
    # A face that reaches far beyond the photo has no pixels there.
    size = np.clip(np.ceil(high - low), 1, 4 * _FACE_WIDTH).astype(int)
    matrix = np.hstack([turn, -low[:, None]])
    return warp(rgb, matrix, (int(size[0]), int(size[1]))), turned - low


def _filled(shape: tuple[int, ...], outline: NDArray[np.float64]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 8).astype(np.int32)], (1,), shift=3)
    return mask > 0


def _structure(detail: NDArray[np.float32], inside: NDArray[np.bool_]) -> tuple[float, float, float]:
    """The structure tensor over a region: mean squares of the slopes across and (last) down, their product between."""
    across = cv2.Sobel(detail, cv2.CV_32F, 1, 0, ksize=3)[inside]
    down = cv2.Sobel(detail, cv2.CV_32F, 0, 1, ksize=3)[inside]
    return float((across * across).mean()), float((across * down).mean()), float((down * down).mean())


def _colour_cast(face: NDArray[np.uint8], at: NDArray[np.float64]) -> float | None:
    """How far the whites of the eyes are from their usual colour, octaves; None where too little of them is seen."""
    whites = []
    for outline, centre, border in _EYES:
        mask = _filled(face.shape[:2], at[list(outline)]).astype(np.uint8)
        radius = 1.1 * float(np.hypot(*(at[list(border)] - at[centre]).T).mean())
        middle = np.round(at[centre] * 8).astype(int)
        cv2.circle(mask, (int(middle[0]), int(middle[1])), round(radius * 8), (0,), -1, shift=3)
        whites.append(face[mask > 0])
    pixels = np.concatenate(whites).astype(np.float32)
    if len(pixels) < 20:
        return None
    luminance = pixels @ _LUMINANCE
    brightest = pixels[luminance >= np.percentile(luminance, 70)].mean(0) + 1
    seen = np.array([np.log2(brightest[0] / brightest[1]), np.log2(brightest[2] / brightest[1])])
    return float(np.hypot(*(seen - _USUAL_WHITES)))


def _edge(capture: Capture) -> float:
    """1 while the outline of the face lies inside the photo, falling with the share that does not."""
    outline = capture.first[list(_FACE_OVAL), :2]
    margin = 0.03 * float(np.ptp(outline[:, 0]))
    outside = np.logical_or(outline < -margin, outline > 1 + margin).any(1).mean()
    return float(2.0 ** -(float(outside) / 0.1))


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))


def _advice(faces_found: int) -> Mapping[Condition, str]:
    return {
        "sharpness": "Hold the camera still and focus on the face: the picture is blurred.",
        "brightness": "Find more light: even the brightest parts of the face are dark.",
        "highlights": "Avoid direct light or flash: parts of the face are overexposed.",
        "colour": "Use white or daylight: the light has a strong colour cast.",
        "eyes": "Open your eyes: they seem to be closed.",
        "edge": "Move back or aim anew: the face is cut off by the edge of the picture.",
        "company": f"{faces_found} faces were found; the largest was scored. Send a photo of one person to be sure.",
    }
