"""Face Mesh from its two networks: look over the whole picture, cut out each face, ask for its landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facestats.landmarks.detection import decode_detections
from facestats.landmarks.engine import DETECTION_CONFIDENCE, FoundFace
from facestats.landmarks.networks import DETECTOR_SIDE, MESH_SIDE, FaceNetworks
from facestats.landmarks.regions import Region, distinct_regions, face_region, whole_photo

_FACE_LOGIT = float(np.log(DETECTION_CONFIDENCE / (1 - DETECTION_CONFIDENCE)))


class NetworkEngine:
    """Does around the networks what MediaPipe's graph does; see ``LandmarkEngine``.

    Args:
        networks: What runs the networks; this thread's.
        max_faces: Most faces found in one picture.
    """

    def __init__(self, networks: FaceNetworks, max_faces: int = 1) -> None:
        self._networks = networks
        self._max_faces = max_faces

    @property
    def name(self) -> str:
        """What runs the networks."""
        return self._networks.name

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[FoundFace]]:
        """Finds the faces of some pictures, all in one batch."""
        places = self._places(pictures)
        faces: list[list[FoundFace]] = [[] for _ in pictures]
        if not places:
            return faces
        cuts = np.empty((len(places), MESH_SIDE, MESH_SIDE, 3), np.uint8)
        for cut, (index, region, _) in zip(cuts, places, strict=True):
            region.cut(pictures[index], MESH_SIDE, cv2.BORDER_REPLICATE, cut)
        landmarks, logits = self._networks.mesh(cuts)
        for found, logit, (index, region, confidence) in zip(landmarks, logits[:, 0], places, strict=True):
            if logit > _FACE_LOGIT:
                height, width = pictures[index].shape[:2]
                faces[index].append(FoundFace(region.photo_landmarks(found, width, height), confidence))
        return faces

    def close(self) -> None:
        """Nothing is held that does not go by itself."""

    def _places(self, pictures: Sequence[NDArray[np.uint8]]) -> list[tuple[int, Region, float]]:
        """Where faces are: number of the picture, region and confidence, each picture's surest first."""
        seen = [whole_photo(picture) for picture in pictures]
        squares = np.empty((len(pictures), DETECTOR_SIDE, DETECTOR_SIDE, 3), np.uint8)
        for picture, whole, square in zip(pictures, seen, squares, strict=True):
            whole.cut(picture, DETECTOR_SIDE, cv2.BORDER_CONSTANT, square)
        places = []
        for index, (whole, boxes, logits) in enumerate(zip(seen, *self._networks.detector(squares), strict=True)):
            detections = decode_detections(boxes, logits)[: self._max_faces]
            regions = [face_region(found, whole) for found in detections]
            for found, region, distinct in zip(detections, regions, distinct_regions(regions), strict=True):
                if distinct:
                    places.append((index, region, found.confidence))
        return places
