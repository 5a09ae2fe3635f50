"""MediaPipe's two face networks as the export writes them, and what runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facestats.models.configuration import RepositoryError
from facestats.models.repository import MODEL_FILE, live_version, versions

DETECTOR = "face_detector"
"""Model name of the network that finds faces in a whole picture."""

MESH = "face_mesh"
"""Model name of the network that finds a face's landmarks."""

DETECTOR_SIDE = 128
"""Side of the square picture that the detector sees, pixels."""

MESH_SIDE = 192
"""Side of the square picture that the mesh network sees, pixels."""

SERVED_BATCH = 16
"""Most pictures of one request to the networks where Triton runs them."""

GOLDEN_PHOTO = "golden_photo"
"""Metadata of the mesh's file: a PNG in base64."""

GOLDEN_LANDMARKS = "golden_landmarks"
"""Metadata of the mesh's file: MediaPipe's landmarks of that photo, [478, 3] float32, little-endian, in base64."""


@dataclass(frozen=True)
class FaceGraphs:
    """Both networks as ONNX files.

    Attributes:
        detector: ``PIXELS`` UINT8 [N, 128, 128, 3] to ``BOXES`` FP32 [N, 896, 16] and ``LOGITS`` FP32 [N, 896, 1].
        mesh: ``PIXELS`` UINT8 [N, 192, 192, 3] to ``LANDMARKS`` FP32 [N, 478, 3] and ``FACE_LOGIT`` FP32 [N, 1].
    """

    detector: bytes
    mesh: bytes


class FaceNetworks(Protocol):
    """Runs both networks; not shared between threads. What it returns is good until its next call."""

    @property
    def name(self) -> str:
        """What computes."""

    def detector(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[N, 128, 128, 3] uint8 to ``BOXES`` and ``LOGITS``."""

    def mesh(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[N, 192, 192, 3] uint8 to ``LANDMARKS`` and ``FACE_LOGIT``."""


def read_face_graphs(repository: Path) -> FaceGraphs | None:
    """The networks that a model repository serves, or ``None`` where they were not exported.

    Args:
        repository: The model repository; a folder with nothing but the two networks' folders does too.

    Raises:
        RepositoryError: The repository is damaged.
    """
    folders = repository / DETECTOR, repository / MESH
    present = set(versions(folders[0])) & set(versions(folders[1]))
    live = live_version(repository)
    if live is None:
        live = max(present, default=None)
    if live not in present:
        return None
    detector, mesh = (_read(folder / str(live) / MODEL_FILE) for folder in folders)
    return FaceGraphs(detector, mesh)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RepositoryError(f"'{path}' cannot be read ({error.strerror}).") from error
