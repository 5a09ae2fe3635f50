"""The running service, as evaluations and calibrations ask it: patiently, because their runs are long."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from facestats.geometry import Sex
from facestats_client import (
    FaceStatsClient,
    FaceStatsError,
    ModelInfo,
    ProblemError,
    ScoreOptions,
    ScoreResult,
    ServiceUnreachableError,
)
from facestats_evaluation.ratings import EvaluationError

_TRY_SECONDS = 60.0
_RETRIES, _PATIENCE = 5, 60.0
"""Further tries, and the seconds of all waits between them."""

_ABOUT_THE_IMAGE = frozenset({400, 413, 415, 422})
"""Statuses that say something of the photo; anything else is about the service."""


class PhotoRefusedError(Exception):
    """The service cannot score this photo, now or later.

    Attributes:
        code: The problem's stable code, e.g. ``no-face``.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True)
class FaceScores:
    """The scores of the largest face of a photo, each 0..100 or None where there is none.

    Attributes:
        geometric: Geometric half.
        holistic: Holistic half.
        blended: The blend of both.
        reliability: 0..100.
        level: good, fair or poor.
        receipt: What the service says made the scores.
        degraded: True when Triton was away and geometry answered alone.
    """

    geometric: float | None
    holistic: float | None
    blended: float | None
    reliability: float
    level: str
    receipt: str
    degraded: bool


class ScoringService:
    """Asks a running gateway for scores. Safe to share between threads.

    Args:
        url: Base URL of the gateway.
        api_key: API key, where one is needed.

    Raises:
        EvaluationError: The URL is none.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        try:
            self._client = FaceStatsClient(
                url, api_key=api_key, timeout=_TRY_SECONDS, retries=_RETRIES, patience=_PATIENCE
            )
        except FaceStatsError as error:
            raise EvaluationError(f"{error}.") from None

    def __enter__(self) -> ScoringService:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def model(self) -> ModelInfo:
        """What the service serves.

        Raises:
            EvaluationError: It cannot be reached or does not answer so.
        """
        try:
            return self._client.model()
        except ServiceUnreachableError as error:
            raise EvaluationError(
                f"no answer from {self._client.url} ({error}); is it running? Start it with `facestats up`."
            ) from error
        except FaceStatsError as error:
            raise EvaluationError(f"{self._client.url} does not say what it serves: {error}") from error

    def ask(self, data: bytes, options: ScoreOptions | None = None) -> ScoreResult:
        """The service's answer for one photo; waits and tries again while the service is busy or away.

        Args:
            data: The encoded image.
            options: What to ask for.

        Raises:
            PhotoRefusedError: The photo cannot be scored.
            EvaluationError: The service did not recover.
        """
        try:
            return self._client.score(data, options)
        except ProblemError as problem:
            said = problem.detail or f"the service answered {problem.status}."
            if problem.status in _ABOUT_THE_IMAGE:
                raise PhotoRefusedError(problem.code or f"http-{problem.status}", said) from None
            raise EvaluationError(f"the service stopped answering ({said}); run again to continue.") from problem
        except FaceStatsError as error:
            raise EvaluationError(f"the service stopped answering ({error}); run again to continue.") from error

    def score(self, data: bytes, sex: Sex | None) -> FaceScores:
        """Scores the largest face of one photo.

        Args:
            data: The encoded image.
            sex: Parameter set; None means pooled.

        Raises:
            PhotoRefusedError: The photo cannot be scored.
            EvaluationError: The service did not recover.
        """
        result = self.ask(data, ScoreOptions(sex=sex))
        face = result.face
        return FaceScores(
            geometric=face.geometric.score,
            holistic=None if face.holistic is None else face.holistic.score,
            blended=face.score,
            reliability=face.quality.reliability,
            level=face.quality.level,
            receipt=result.model.receipt,
            degraded=result.degraded,
        )
