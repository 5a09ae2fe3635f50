"""Proof: the converted networks find the landmarks that MediaPipe's own graph finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facestats.landmarks.engine import FoundFace, LandmarkEngine
from facestats.landmarks.golden import landmark_distances
from facestats.landmarks.network_engine import NetworkEngine
from facestats.landmarks.networks import FaceGraphs, FaceNetworks
from facestats.landmarks.openvino_networks import CompiledNetworks, OpenVinoNetworks
from facestats_export.errors import ExportError

LANDMARK_LIMIT = 0.02
"""Largest allowed distance of a landmark from MediaPipe's, percent of the face's width."""


@dataclass(frozen=True)
class LandmarkComparison:
    """One engine's landmarks against MediaPipe's.

    Attributes:
        engine: Which one.
        photos: Photos with a face.
        worst: Largest distance of any landmark, in three dimensions, percent of the face's width.
        mean: Mean distance, percent of the face's width.
        disagreements: Photos in which the engines do not find the same number of faces.
    """

    engine: str
    photos: int
    worst: float
    mean: float
    disagreements: int

    def failures(self) -> list[str]:
        """What is past a limit, one clause each. A figure that is not a number is."""
        failures = []
        if self.disagreements:
            failures.append(f"{self.engine} and MediaPipe see different faces in {self.disagreements} photos")
        if not self.worst <= LANDMARK_LIMIT:
            failures.append(
                f"{self.engine}'s worst landmark is {self.worst:.4f} % of the face's width off (limit {LANDMARK_LIMIT})"
            )
        return failures


@dataclass(frozen=True)
class MediaPipeFaces:
    """What MediaPipe's graph finds in some photos: what every engine is held against.

    Attributes:
        photos: Each [H, W, 3] uint8; those without a face must have none for every engine.
        found: MediaPipe's faces of each.
    """

    photos: tuple[NDArray[np.uint8], ...]
    found: tuple[list[FoundFace], ...]

    @classmethod
    def of(cls, reference: LandmarkEngine, photos: Sequence[NDArray[np.uint8]]) -> MediaPipeFaces:
        """Asks MediaPipe.

        Raises:
            ExportError: MediaPipe finds no face in any of them.
        """
        found = tuple(reference.detect([photo])[0] for photo in photos)
        if not any(found):
            raise ExportError(
                "no parity photo shows a face, so the landmarks cannot be proved; give --parity-images DIR."
            )
        return cls(tuple(photos), found)

    def compare(self, networks: FaceNetworks) -> LandmarkComparison:
        """Holds the faces that these networks find against MediaPipe's."""
        engine = NetworkEngine(networks)
        distances, disagreements = [], 0
        for photo, theirs in zip(self.photos, self.found, strict=True):
            (ours,) = engine.detect([photo])
            disagreements += len(ours) != len(theirs)
            height, width = photo.shape[:2]
            distances += [
                landmark_distances(mine.landmarks * [width, height, width], true.landmarks * [width, height, width])
                for mine, true in zip(ours, theirs, strict=False)
            ]
        worst = max((float(found.max()) for found in distances), default=float("nan"))
        mean = float(np.mean(distances)) if distances else float("nan")
        return LandmarkComparison(engine.name, len(distances), worst, mean, disagreements)


def compare_landmarks(graphs: FaceGraphs, faces: MediaPipeFaces) -> tuple[LandmarkComparison, ...]:
    """Holds every engine that runs the converted networks in this process against MediaPipe's graph.

    Args:
        graphs: The converted networks.
        faces: What MediaPipe finds.
    """
    openvino = OpenVinoNetworks(CompiledNetworks(graphs, threads=1))
    return faces.compare(openvino), faces.compare(_OnnxRuntimeNetworks(graphs))


class _OnnxRuntimeNetworks:
    """The networks as Triton's ``onnxruntime`` backend runs them."""

    name = "onnxruntime"

    def __init__(self, graphs: FaceGraphs) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._detector, self._mesh = (
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            for graph in (graphs.detector, graphs.mesh)
        )

    def detector(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        boxes, logits = self._detector.run(["BOXES", "LOGITS"], {"PIXELS": pictures})
        return boxes, logits

    def mesh(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        landmarks, logits = self._mesh.run(["LANDMARKS", "FACE_LOGIT"], {"PIXELS": pictures})
        return landmarks, logits
