"""What can go wrong, as exceptions; each kind of problem document has a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROBLEM_URN = "urn:facestats:problem:"


class FaceStatsError(Exception):
    """Base of everything this package raises on purpose."""


class AddressError(FaceStatsError, ValueError):
    """The address is not written as it must be; nothing was sent."""


class ServiceUnreachableError(FaceStatsError):
    """No answer from the service: connection refused or lost, name not found, or time ran out on this side."""


class ProblemError(FaceStatsError):
    """The service answered with an RFC 9457 problem document.

    Attributes:
        code: Last part of the document's ``type``, e.g. ``no-face``; ``""`` when the answer carried no such type.
        status: HTTP status.
        title: What kind of problem this is.
        detail: What was wrong with this request.
        retry_after: Seconds after which a retry makes sense, when the service said so.
        document: The whole document.
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.document = dict(document)
        self.code = str(document.get("type", "")).removeprefix(PROBLEM_URN)
        self.title = str(document.get("title") or f"HTTP {status}")
        self.detail = str(document.get("detail") or "")
        retry_after = document.get("retry_after")
        self.retry_after = None if retry_after is None else float(retry_after)
        super().__init__(f"{self.title}: {self.detail}" if self.detail else self.title)


class ImageRefusedError(ProblemError):
    """The image cannot be used: not an image, damaged, animated, too large, too small, of an unsupported format."""


class NoFaceError(ProblemError):
    """No face was found, or the one found cannot be measured."""


class BadParameterError(ProblemError):
    """The request itself is wrong: a parameter, a route, a content type."""


class UnauthorizedError(ProblemError):
    """An API key is missing or wrong."""


class ServiceBusyError(ProblemError):
    """Too many requests: of this key (429) or altogether (503); still so after the retries."""


class ServiceUnavailableError(ProblemError):
    """The service runs but cannot score now: Triton is away or not ready."""


class DeadlineExceededError(ProblemError):
    """The service gave up because the request's time was over."""


ERROR_OF_CODE: dict[str, type[ProblemError]] = {
    "empty-body": ImageRefusedError,
    "not-an-image": ImageRefusedError,
    "truncated-image": ImageRefusedError,
    "animated-image": ImageRefusedError,
    "too-small": ImageRefusedError,
    "bad-aspect-ratio": ImageRefusedError,
    "too-many-bytes": ImageRefusedError,
    "too-many-pixels": ImageRefusedError,
    "unsupported-format": ImageRefusedError,
    "no-face": NoFaceError,
    "unusable-face": NoFaceError,
    "no-usable-photo": NoFaceError,
    "bad-parameter": BadParameterError,
    "bad-request": BadParameterError,
    "too-many-parts": BadParameterError,
    "not-found": BadParameterError,
    "method-not-allowed": BadParameterError,
    "unsupported-media-type": BadParameterError,
    "unauthorized": UnauthorizedError,
    "rate-limited": ServiceBusyError,
    "overloaded": ServiceBusyError,
    "triton-unavailable": ServiceUnavailableError,
    "request-timeout": DeadlineExceededError,
    "deadline-exceeded": DeadlineExceededError,
    "client-closed-request": ProblemError,
    "internal-error": ProblemError,
}
"""Problem code to exception; a code this version does not know becomes a plain ``ProblemError``."""


def problem_error(status: int, document: Mapping[str, Any]) -> ProblemError:
    """The exception for a problem document."""
    code = str(document.get("type", "")).removeprefix(PROBLEM_URN)
    return ERROR_OF_CODE.get(code, ProblemError)(status, document)
