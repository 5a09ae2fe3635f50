"""Both networks converted, proved and with their golden face: what an export puts into the model repository."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from facestats.images.imaging import decode_image
from facestats.landmarks.mediapipe_engine import MediaPipeEngine
from facestats.landmarks.networks import DETECTOR, MESH, FaceGraphs
from facestats.places import example_photo
from facestats_export.facenets.fixed_batch import with_fixed_batch
from facestats_export.facenets.golden import with_golden_face
from facestats_export.facenets.networks import face_graphs
from facestats_export.facenets.parity import LandmarkComparison, MediaPipeFaces, compare_landmarks


@dataclass(frozen=True)
class ProvedNetworks:
    """The networks and how far they are from MediaPipe.

    Attributes:
        graphs: As they are published.
        faces: What MediaPipe finds in the photos.
        comparisons: Each engine of this process against MediaPipe.
    """

    graphs: FaceGraphs
    faces: MediaPipeFaces
    comparisons: tuple[LandmarkComparison, ...]

    @property
    def by_model(self) -> dict[str, bytes]:
        """Model name to ONNX bytes."""
        return {DETECTOR: self.graphs.detector, MESH: self.graphs.mesh}

    def served(self, target: str) -> dict[str, bytes]:
        """Model name to ONNX bytes of what Triton runs on a target instead of the graphs."""
        return {name: with_fixed_batch(graph) for name, graph in self.by_model.items()} if target == "cuda" else {}


def prove_networks(photos: Sequence[bytes]) -> ProvedNetworks:
    """Converts both networks and holds them against MediaPipe's own graph.

    Args:
        photos: Encoded photos; the example photo, which shows a face, is always among those compared.

    Raises:
        ExportError: MediaPipe is not installed, or its networks are not the ones known here.
    """
    example = decode_image(example_photo().read_bytes())
    with closing(MediaPipeEngine()) as reference:
        bare = face_graphs()
        graphs = FaceGraphs(bare.detector, with_golden_face(bare.mesh, example, reference))
        faces = MediaPipeFaces.of(reference, [example, *(decode_image(data) for data in photos)])
    return ProvedNetworks(graphs, faces, compare_landmarks(graphs, faces))
