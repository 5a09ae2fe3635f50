"""What is sent and how answers are read: all that the synchronous and the asynchronous client have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from httpx_retries import Retry

from facestats_client.errors import AddressError, ServiceUnreachableError, problem_error
from facestats_client.images import ImageSource, image_bytes
from facestats_client.patience import PatientTransport
from facestats_client.results import ModelInfo, PersonResult, ScoreResult

SCORE_PATH = "/v1/score"
PERSON_PATH = "/v1/score/person"
MODEL_PATH = "/v1/model"
READY_PATH = "/readyz"

NO_RETRY = {"retry": Retry(total=0)}
"""Request extensions of a question that wants today's answer, not one after some waiting."""


@dataclass(frozen=True)
class ScoreOptions:
    """What a caller may choose; the defaults are the service's.

    Attributes:
        crop: ``aligned`` (the face cut out as in the reference data) or ``full`` (the whole image) for CLIP.
        faces: The ``largest`` face or ``all``.
        sex: Whose parameter set the geometry uses; pooled when ``None``.
        capture: Two-pass (``stable``) or one-pass (``fast``) landmarks.
        include: Further parts of the answer: ``landmarks``, ``embedding``, ``overlay``.
    """

    crop: Literal["aligned", "full"] = "aligned"
    faces: Literal["largest", "all"] = "largest"
    sex: Literal["female", "male"] | None = None
    capture: Literal["stable", "fast"] = "stable"
    include: Iterable[Literal["landmarks", "embedding", "overlay"]] = ()

    def query(self) -> dict[str, str]:
        """The query parameters."""
        query: dict[str, str] = {"crop": self.crop, "faces": self.faces, "capture": self.capture}
        if self.sex is not None:
            query["sex"] = self.sex
        if include := ",".join(self.include):
            query["include"] = include
        return query


def client_arguments(
    url: str, api_key: str | None, timeout: float, retries: int, patience: float | None
) -> dict[str, Any]:
    """Arguments of ``httpx.Client`` and ``httpx.AsyncClient`` alike.

    Raises:
        AddressError: ``url`` is no HTTP address.
    """
    if not url.startswith(("http://", "https://")):
        raise AddressError(f"'{url}' is no address of the service: it begins with http:// or https://, as http://{url}")
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise AddressError(f"'{url}' is no address of the service: {error}") from None
    headers = {"Accept": "application/json", "User-Agent": "facestats-client"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {api_key}"
    transport = PatientTransport(retries, timeout if patience is None else patience, insist=patience is not None)
    return {"base_url": url, "headers": headers, "timeout": timeout, "transport": transport}


def score_arguments(source: ImageSource, options: ScoreOptions | None) -> dict[str, Any]:
    """Arguments of ``post(SCORE_PATH, ...)``."""
    return {
        "content": image_bytes(source),
        "headers": {"Content-Type": "application/octet-stream"},
        "params": (options or ScoreOptions()).query(),
    }


def person_arguments(sources: Iterable[ImageSource], options: ScoreOptions | None) -> dict[str, Any]:
    """Arguments of ``post(PERSON_PATH, ...)``.

    Raises:
        ValueError: The options ask for what several photos have not (``faces``, ``include``).
    """
    options = options or ScoreOptions()
    if options.faces != "largest" or tuple(options.include):
        raise ValueError("score_person takes the largest face of each photo and returns no extras; use score for those")
    files = [
        ("images", (f"photo-{number}", image_bytes(source), "application/octet-stream"))
        for number, source in enumerate(sources, start=1)
    ]
    return {"files": files, "params": options.query()}


def read_person(response: httpx.Response) -> PersonResult:
    """The result for several photos in a response.

    Raises:
        ProblemError: The response is a problem.
    """
    raise_for_problem(response)
    return PersonResult.model_validate_json(response.content)


def read_score(response: httpx.Response) -> ScoreResult:
    """The result in a response.

    Raises:
        ProblemError: The response is a problem.
    """
    raise_for_problem(response)
    return ScoreResult.model_validate_json(response.content)


def read_model(response: httpx.Response) -> ModelInfo:
    """The description of the model in a response.

    Raises:
        ProblemError: The response is a problem.
    """
    raise_for_problem(response)
    return ModelInfo.model_validate_json(response.content)


def raise_for_problem(response: httpx.Response) -> None:
    """Raises the exception a failed response stands for; does nothing for a good one.

    Raises:
        ProblemError: Or one of its subclasses.
    """
    if response.is_success:
        return
    try:
        document = response.json()
    except ValueError:
        # A proxy in between answers in its own words, not in problem documents.
        document = {"detail": response.text[:200]}
    raise problem_error(response.status_code, document if isinstance(document, dict) else {"detail": str(document)})


@contextmanager
def transport_errors(url: str) -> Iterator[None]:
    """Turns what the network does wrong into ``ServiceUnreachableError``."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise ServiceUnreachableError(f"{url} did not answer in time ({type(error).__name__})") from error
    except httpx.TransportError as error:
        raise ServiceUnreachableError(f"{url} cannot be reached: {error}. Is the service running?") from error
