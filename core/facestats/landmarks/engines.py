"""Which landmark engine is used here, and engines of it for the measuring threads."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Literal, Protocol

from facestats.errors import FaceStatsError
from facestats.landmarks.engine import LandmarkEngine
from facestats.landmarks.golden import GOLDEN_LIMIT, read_golden_face
from facestats.landmarks.mediapipe_engine import MediaPipeEngine
from facestats.landmarks.network_engine import NetworkEngine
from facestats.landmarks.networks import FaceGraphs, read_face_graphs
from facestats.landmarks.openvino_networks import CompiledNetworks, OpenVinoNetworks
from facestats.models.configuration import RepositoryError

LandmarkChoice = Literal["auto", "openvino", "mediapipe"]


class LandmarkEngineError(FaceStatsError):
    """Landmarks cannot be found the way that was asked for; one sentence that says why and what to do."""


class LandmarkEngines(Protocol):
    """Makes engines of one kind, each for one thread."""

    @property
    def name(self) -> str:
        """``openvino`` or ``mediapipe``; part of a score's receipt."""

    def open(self, max_faces: int) -> LandmarkEngine:
        """An engine for the calling thread.

        Args:
            max_faces: Most faces found in one picture.

        Raises:
            LandmarkEngineError: It does not run here, or finds other landmarks than at the export.
        """


class MediaPipeEngines:
    """Engines that run MediaPipe's own graph."""

    name = "mediapipe"

    def open(self, max_faces: int) -> LandmarkEngine:
        """An engine for the calling thread."""
        return MediaPipeEngine(max_faces)


class OpenVinoEngines:
    """Engines that run the exported networks on OpenVINO, compiled once for all of them.

    Args:
        graphs: The exported networks.
        threads: Threads that will use engines at once.
    """

    name = "openvino"

    def __init__(self, graphs: FaceGraphs, threads: int) -> None:
        self._graphs = graphs
        self._threads = threads
        self._lock = threading.Lock()
        self._compiled: CompiledNetworks | None = None

    def open(self, max_faces: int) -> LandmarkEngine:
        """An engine for the calling thread; the first one compiles the networks and makes the golden check.

        Raises:
            LandmarkEngineError: OpenVINO cannot run the networks, or finds other landmarks than at the export.
        """
        with self._lock:
            if self._compiled is None:
                self._compiled = self._checked()
        return NetworkEngine(OpenVinoNetworks(self._compiled), max_faces)

    def _checked(self) -> CompiledNetworks:
        try:
            compiled = CompiledNetworks(self._graphs, self._threads)
            golden = read_golden_face(compiled.metadata.get)
        except (RuntimeError, ValueError, ImportError) as error:
            raise LandmarkEngineError(
                f"OpenVINO cannot run the face networks ({error}); export them anew, or set "
                "FACESTATS_LANDMARKS=mediapipe."
            ) from error
        drift = 0.0 if golden is None else golden.drift(NetworkEngine(OpenVinoNetworks(compiled)))
        if not drift <= GOLDEN_LIMIT:
            raise LandmarkEngineError(
                f"the face networks find other landmarks here than at their export (off by {drift:.3f} % of the face's "
                f"width, limit {GOLDEN_LIMIT}); set FACESTATS_LANDMARKS=mediapipe."
            )
        return compiled


def engines_of(graphs: FaceGraphs | None, threads: int) -> LandmarkEngines:
    """Engines for the measuring threads.

    Args:
        graphs: The networks to run on OpenVINO; ``None`` for MediaPipe's own graph.
        threads: Threads that will use engines at once.
    """
    return MediaPipeEngines() if graphs is None else OpenVinoEngines(graphs, threads)


def choose_graphs(choice: LandmarkChoice, networks: Path) -> FaceGraphs | None:
    """The networks to run, ``None`` for MediaPipe's own graph.

    Args:
        choice: What was asked for; ``auto`` is OpenVINO where the networks were exported and it is installed.
        networks: The model repository, or another folder the networks were exported to.

    Raises:
        LandmarkEngineError: OpenVINO was asked for and is not installed, or there are no networks; or what lies there
            is damaged.
    """
    if choice == "mediapipe":
        return None
    installed = importlib.util.find_spec("openvino") is not None
    if choice == "openvino" and not installed:
        raise LandmarkEngineError("FACESTATS_LANDMARKS=openvino needs the package openvino, which is not installed.")
    try:
        graphs = read_face_graphs(networks) if installed else None
    except RepositoryError as error:
        raise LandmarkEngineError(f"the face networks cannot be read: {error}") from error
    if choice == "openvino" and graphs is None:
        raise LandmarkEngineError(
            f"FACESTATS_LANDMARKS=openvino needs the face networks, and '{networks}' holds none: run `facestats "
            "export`, or name the folder they were exported to in FACESTATS_FACE_NETWORKS."
        )
    return graphs
