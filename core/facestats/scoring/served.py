"""The whole job as a Triton model does it: the photos of a request in, an answer for each of them out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import structlog

from facestats.deadline import Deadline
from facestats.faces.measurer import FaceMeasurer
from facestats.holistic.backend import HolisticBackend, HolisticState
from facestats.holistic.provenance import Provenance
from facestats.landmarks.engines import LandmarkEngines
from facestats.problems import Problem
from facestats.scoring.parameters import parse_options
from facestats.scoring.pipeline import Scorer
from facestats.scoring.schemas import ScoreDocument
from facestats.settings import ScoringSettings

NO_NUMBER = -1.0
"""Instead of a number that there is none of: finite, so that JSON answers parse, and outside every scale."""


@dataclass(frozen=True)
class Photo:
    """One item of a request.

    Attributes:
        data: The encoded image.
        deadline: Until when its caller waits.
        choices: ``crop``, ``faces``, ``sex``, ``capture``, ``include`` as text; what is absent or empty is the default.
        request_id: What its caller calls the request; empty for none.
    """

    data: bytes
    deadline: Deadline
    choices: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True)
class Answer:
    """What is said of one photo.

    Attributes:
        document: The JSON that ``POST /v1/score`` answers for it, the problem document where there is an error.
        score: The blend, 0..100, of the largest face; ``NO_NUMBER`` where there is none, like the next three.
        geometric: The geometric half, 0..100.
        holistic: The holistic half, 0..100.
        reliability: How far the photo supports a score, 0..100.
        error: ``code: sentence``; empty for a scored photo.
        code: The problem's code; empty for a scored photo.
        seconds: Time by stage; empty for a photo with an error.
    """

    document: bytes
    score: float = NO_NUMBER
    geometric: float = NO_NUMBER
    holistic: float = NO_NUMBER
    reliability: float = NO_NUMBER
    error: str = ""
    code: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


class ServedScorer:
    """Scores photos as the gateway does, with the same pipeline; used inside one event loop.

    Args:
        settings: How a photo becomes a score.
        provenance: What the backend serves.
        backend: Where the holistic half comes from.
        engines: What finds landmarks; by the settings if absent.
    """

    def __init__(
        self,
        settings: ScoringSettings,
        provenance: Provenance,
        backend: HolisticBackend,
        engines: LandmarkEngines | None = None,
    ) -> None:
        engines = engines or settings.landmark_engines()
        limits = settings.image_limits
        self._measurer = FaceMeasurer(settings.threads, limits, settings.max_faces, settings.geometry, engines)
        design = settings.design(engines.name)
        self._scorer = Scorer(self._measurer, backend, _Served(provenance), design, gathering=settings.gathering())
        self._log = structlog.get_logger("facestats.served")

    def warm_up(self) -> None:
        """Loads every thread's Face Mesh, so that the first requests do not pay for it."""
        self._measurer.warm_up()

    def close(self) -> None:
        """Finishes the running photos and ends the threads."""
        self._measurer.close()

    async def score(self, photos: Sequence[Photo]) -> list[Answer]:
        """Scores photos; what is wrong with one harms no other.

        Args:
            photos: The items of one request, in order.

        Returns:
            An answer for each, in the same order.
        """
        return await asyncio.gather(*(self._score_one(photo) for photo in photos))

    async def _score_one(self, photo: Photo) -> Answer:
        try:
            options = parse_options(**photo.choices)
            return _scored(await self._scorer.score(photo.data, options, photo.deadline))
        except Problem as problem:
            return _failed(problem, photo.request_id)
        except Exception as error:
            self._log.error("unexpected error", request_id=photo.request_id, exc_info=error)
            return _failed(Problem("internal-error", "The service failed on this image."), photo.request_id)


class _Served:
    """A ``HolisticWatch`` that never changes: Triton loads the model anew when something else is exported."""

    def __init__(self, provenance: Provenance) -> None:
        self.state = HolisticState(ready=True, reason="", provenance=provenance)

    def report_unavailable(self, reason: str) -> None:
        """Each failure speaks for itself: the models lie in the same server."""


def _scored(document: ScoreDocument) -> Answer:
    face = document.faces[0]
    return Answer(
        document=document.model_dump_json().encode(),
        score=_number(face.score),
        geometric=_number(face.geometric.score),
        holistic=_number(face.holistic.score if face.holistic else None),
        reliability=face.quality.reliability,
        seconds={stage: milliseconds / 1e3 for stage, milliseconds in document.timing_ms},
    )


def _failed(problem: Problem, request_id: str) -> Answer:
    return Answer(
        document=orjson.dumps(problem.document(request_id or None)),
        error=f"{problem.code}: {problem.detail}",
        code=problem.code,
    )


def _number(value: float | None) -> float:
    return NO_NUMBER if value is None else value
