"""The reference engine: MediaPipe's own graph of Face Mesh."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats.landmarks.engine import DETECTION_CONFIDENCE, FoundFace

_GRAPH = "mediapipe/modules/face_landmark/face_landmark_front_cpu.binarypb"


class MediaPipeEngine:
    """MediaPipe Face Mesh with refined landmarks, every picture by itself; see ``LandmarkEngine``.

    Keep one object per thread for the thread's whole life: creating and closing leaks memory inside MediaPipe, and
    sharing one between threads corrupts its timestamps.

    Args:
        max_faces: Most faces found in one picture.
    """

    name = "mediapipe"

    def __init__(self, max_faces: int = 1) -> None:
        # MediaPipe's C++ part reads its log level once, when it is loaded; warnings about every graph are noise.
        os.environ.setdefault("GLOG_minloglevel", "2")
        from mediapipe.python.solution_base import SolutionBase

        # As mediapipe.solutions.face_mesh.FaceMesh sets it up, which keeps the detector's confidence to itself.
        self._graph = SolutionBase(
            binary_graph_path=_GRAPH,
            side_inputs={"num_faces": max_faces, "with_attention": True, "use_prev_landmarks": False},
            calculator_params={
                "facedetectionshortrangecpu__facedetectionshortrange__facedetection__TensorsToDetectionsCalculator"
                ".min_score_thresh": DETECTION_CONFIDENCE,
                "facelandmarkcpu__ThresholdingCalculator.threshold": DETECTION_CONFIDENCE,
            },
            outputs=["multi_face_landmarks", "face_detections"],
        )

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[list[FoundFace]]:
        """Finds the faces of some pictures, one after another."""
        return [self._faces(picture) for picture in pictures]

    def close(self) -> None:
        """Releases MediaPipe's graph."""
        self._graph.close()

    def _faces(self, rgb: NDArray[np.uint8]) -> list[FoundFace]:
        result = self._graph.process({"image": np.ascontiguousarray(rgb)})
        faces = []
        for mesh in result.multi_face_landmarks or ():
            landmarks = np.array([(point.x, point.y, point.z) for point in mesh.landmark], np.float64)
            faces.append(FoundFace(landmarks, _confidence(landmarks, result.face_detections)))
        return faces


def _confidence(landmarks: NDArray[np.float64], detections: Sequence[Any]) -> float:
    """That of the detection in whose middle the face lies; the graph drops faces without saying whose they were."""
    middle = (landmarks[:, :2].min(0) + landmarks[:, :2].max(0)) / 2

    def distance(detection: Any) -> float:
        box = detection.location_data.relative_bounding_box
        return float(np.hypot(*(middle - [box.xmin + box.width / 2, box.ymin + box.height / 2])))

    return float(min(detections, key=distance).score[0])
