"""The running service, as the evaluation asks it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from facestats.geometry import Sex
from facestats.loopback import is_loopback
from facestats_evaluation.ratings import EvaluationError

_ATTEMPTS = 6
_LONGEST_WAIT = 30.0
"""Seconds between two attempts at most."""

_PROBLEM_URN = "urn:facestats:problem:"
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
    """Asks a running gateway for scores, patiently. Safe to share between threads.

    Args:
        url: Base URL of the gateway.
        api_key: API key, where one is needed.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(base_url=url, timeout=60.0, headers=headers, trust_env=not is_loopback(url))

    def __enter__(self) -> ScoringService:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def model(self) -> dict[str, Any]:
        """What the service serves, its ``/v1/model`` document.

        Raises:
            EvaluationError: It cannot be reached or does not answer so.
        """
        try:
            answer = self._client.get("/v1/model")
        except httpx.TransportError as error:
            raise EvaluationError(
                f"no answer from {self._client.base_url} ({error}); is it running? Start it with `facestats up`."
            ) from error
        if answer.status_code != 200:
            raise EvaluationError(f"{self._client.base_url} does not say what it serves: {_detail(answer)}")
        document: dict[str, Any] = answer.json()
        return document

    def score(self, name: str, data: bytes, sex: Sex | None) -> FaceScores:
        """Scores the largest face of one photo; waits and tries again while the service is busy or away.

        Args:
            name: File name, for the service's logs and messages.
            data: The encoded image.
            sex: Parameter set; None means pooled.

        Raises:
            PhotoRefusedError: The photo cannot be scored.
            EvaluationError: The service did not recover.
        """
        return _face_scores(ask_patiently(self._client, name, data, {"sex": sex} if sex else {}))


def ask_patiently(client: httpx.Client, name: str, data: bytes, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The service's document of one photo; waits and tries again while the service is busy or away.

    Args:
        client: A client of the gateway.
        name: File name, for the service's logs and messages.
        data: The encoded image.
        parameters: Query parameters.

    Raises:
        PhotoRefusedError: The photo cannot be scored.
        EvaluationError: The service did not recover.
    """
    problem = ""
    for attempt in range(_ATTEMPTS):
        wait = min(2.0**attempt, _LONGEST_WAIT)
        try:
            answer = client.post("/v1/score", params=dict(parameters), files={"image": (name, data)})
        except httpx.TransportError as error:
            problem = str(error)
        else:
            if answer.status_code == 200:
                document: dict[str, Any] = answer.json()
                return document
            if answer.status_code in _ABOUT_THE_IMAGE:
                raise PhotoRefusedError(_code(answer), _detail(answer))
            problem = _detail(answer)
            if answer.status_code < 500 and answer.status_code != 429:
                break
            wait = min(_retry_after(answer, wait), _LONGEST_WAIT)
        if attempt < _ATTEMPTS - 1:
            time.sleep(wait)
    raise EvaluationError(f"the service stopped answering ({problem}); run again to continue.")


def _face_scores(document: dict[str, Any]) -> FaceScores:
    face = document["faces"][0]
    holistic = face["holistic"]
    return FaceScores(
        geometric=face["geometric"]["score"],
        holistic=None if holistic is None else holistic["score"],
        blended=face["score"],
        reliability=face["quality"]["reliability"],
        level=face["quality"]["level"],
        receipt=document["model"]["receipt"],
        degraded=document["degraded"],
    )


def _problem(answer: httpx.Response) -> dict[str, Any]:
    is_problem = "problem+json" in answer.headers.get("content-type", "")
    document: dict[str, Any] = answer.json() if is_problem else {}
    return document


def _code(answer: httpx.Response) -> str:
    return str(_problem(answer).get("type", f"http-{answer.status_code}")).removeprefix(_PROBLEM_URN)


def _detail(answer: httpx.Response) -> str:
    return str(_problem(answer).get("detail", f"the service answered {answer.status_code}."))


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else otherwise
