"""Both landmark engines, for everything that must hold whichever finds the landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from facestats.landmarks.engine import LandmarkEngine
from facestats.landmarks.engines import LandmarkEngines, MediaPipeEngines, OpenVinoEngines
from facestats.landmarks.networks import FaceGraphs


@pytest.fixture(scope="session")
def openvino_engines(face_networks: FaceGraphs) -> LandmarkEngines:
    return OpenVinoEngines(face_networks, threads=1)


@pytest.fixture(scope="module", params=["mediapipe", "openvino"])
def engines(request: pytest.FixtureRequest, openvino_engines: LandmarkEngines) -> LandmarkEngines:
    return MediaPipeEngines() if request.param == "mediapipe" else openvino_engines


@pytest.fixture(scope="module")
def engine(engines: LandmarkEngines) -> Iterator[LandmarkEngine]:
    """Finds up to four faces."""
    with closing(engines.open(4)) as opened:
        yield opened
