"""Where on a photo the mesh network looks, and the way of its landmarks back to the photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facestats.landmarks.detection import Detection, overlaps

_MARGIN = 1.5
"""Side of a region in longer sides of the detector's box."""

_SAME_REGION = 0.5
"""Of regions that overlap more, by intersection over union, the surer face's gives way, as in MediaPipe's graph."""


@dataclass(frozen=True)
class Region:
    """A turned square on a photo.

    Attributes:
        centre: [2] float64, pixels.
        side: Pixels.
        angle: Radians; positive if its upper side falls to the right.
    """

    centre: NDArray[np.float64]
    side: float
    angle: float

    def cut(self, rgb: NDArray[np.uint8], side: int, border: int, out: NDArray[np.uint8]) -> None:
        """Samples the square bilinearly.

        As in MediaPipe, the square's corners, in floats, go to the picture's corners where OpenCV has the centres of
        pixels, and the matrix between them is solved for, not written down: a photo reduced by a ratio of whole numbers
        is sampled half-way between two of OpenCV's steps, and the matrix's last digit decides which one is taken.

        Args:
            rgb: [H, W, 3] uint8, the photo.
            side: Side of the picture, pixels.
            border: OpenCV's border mode for what lies outside the photo.
            out: [side, side, 3] uint8, contiguous; filled.
        """
        step, rest = divmod(self.side, side)
        if (
            not (rest or self.angle)
            and rgb.shape[:2] == (self.side, self.side)
            and (self.centre == self.side / 2).all()
        ):
            # Every sample hits a pixel, as always in the second look's crop.
            np.copyto(out, rgb[:: int(step), :: int(step)])
            return
        corners = cv2.boxPoints((tuple(self.centre), (self.side, self.side), float(np.degrees(self.angle))))
        # From the lower left on, clockwise.
        target = np.array([[0, side], [0, 0], [side, 0], [side, side]], np.float32)
        matrix = cv2.getPerspectiveTransform(corners, target)
        # The same matrix for an affine warp would be faster, but OpenCV rounds coordinates otherwise there: 0.04 %.
        cv2.warpPerspective(rgb, matrix, (side, side), dst=out, flags=cv2.INTER_LINEAR, borderMode=border)

    def photo_landmarks(self, found: NDArray[np.float32], width: int, height: int) -> NDArray[np.float64]:
        """Landmarks on the photo, [478, 3] float64: x over its width, y over its height, z over its width.

        Args:
            found: [478, 3] float32 in sides of the square's picture.
            width: Of the photo, pixels.
            height: Of the photo, pixels.
        """
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        landmarks = np.empty(found.shape, np.float64)
        landmarks[:, :2] = ((found[:, :2] - 0.5) @ turn.T * self.side + self.centre) / [width, height]
        landmarks[:, 2] = found[:, 2] * (self.side / width)
        return landmarks


def whole_photo(rgb: NDArray[np.uint8]) -> Region:
    """The square that the detector sees: the whole photo, with black beside it."""
    height, width = rgb.shape[:2]
    return Region(np.array([width / 2, height / 2]), float(max(width, height)), 0.0)


def face_region(detection: Detection, seen: Region) -> Region:
    """The square around a detected face, turned so that its eyes lie level.

    Args:
        detection: In shares of the square that the detector saw.
        seen: That square, upright.
    """
    shares = detection.low, detection.high, detection.points
    low, high, points = ((value - 0.5) * seen.side + seen.centre for value in shares)
    right_eye, left_eye = points[:2]
    angle = np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
    return Region((low + high) / 2, _MARGIN * float((high - low).max()), float(angle))


def distinct_regions(regions: Sequence[Region]) -> list[bool]:
    """Which regions no later one lies over."""
    half = np.array([[region.side / 2] for region in regions])
    centres = np.array([region.centre for region in regions])
    low, high = centres - half, centres + half
    return [
        not (overlaps(low[index], high[index], low[index + 1 :], high[index + 1 :]) > _SAME_REGION).any()
        for index in range(len(regions))
    ]
