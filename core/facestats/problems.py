"""Every problem the service can answer with, declared once, as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROBLEM_URN = "urn:facestats:problem:"


@dataclass(frozen=True)
class ProblemType:
    """A stable kind of problem.

    Attributes:
        code: Last part of the problem document's ``type`` URN.
        status: HTTP status code.
        title: Short summary, the same for every occurrence.
    """

    code: str
    status: int
    title: str

    @property
    def urn(self) -> str:
        """The problem document's ``type``."""
        return PROBLEM_URN + self.code


PROBLEM_TYPES: dict[str, ProblemType] = {
    kind.code: kind
    for kind in (
        ProblemType("empty-body", 400, "The request carries no image"),
        ProblemType("not-an-image", 400, "The data is not an image"),
        ProblemType("truncated-image", 400, "The image is damaged or incomplete"),
        ProblemType("animated-image", 400, "The image has too many frames"),
        ProblemType("too-small", 400, "The image is too small"),
        ProblemType("bad-aspect-ratio", 400, "The image is far too long and narrow"),
        ProblemType("bad-parameter", 400, "A parameter has a value that is not allowed"),
        ProblemType("bad-request", 400, "The request is malformed"),
        ProblemType("unauthorized", 401, "An API key is needed"),
        ProblemType("not-found", 404, "There is nothing at this address"),
        ProblemType("method-not-allowed", 405, "This address does not take that method"),
        ProblemType("request-timeout", 408, "The request arrived too slowly"),
        ProblemType("too-many-bytes", 413, "The request is larger than allowed"),
        ProblemType("too-many-pixels", 413, "The image has more pixels than allowed"),
        ProblemType("too-many-parts", 413, "The request has more parts than allowed"),
        ProblemType("unsupported-format", 415, "The image format is not supported"),
        ProblemType("unsupported-media-type", 415, "The request's Content-Type is not supported"),
        ProblemType("no-face", 422, "No face was found"),
        ProblemType("unusable-face", 422, "The face cannot be measured"),
        ProblemType("no-usable-photo", 422, "None of the photos supports a score"),
        ProblemType("rate-limited", 429, "Too many requests with this API key"),
        ProblemType("client-closed-request", 499, "The client went away"),
        ProblemType("internal-error", 500, "The service failed"),
        ProblemType("overloaded", 503, "The service is at its limit"),
        ProblemType("triton-unavailable", 503, "The model server cannot be reached"),
        ProblemType("deadline-exceeded", 504, "The request ran out of time"),
    )
}


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A request that cannot be answered with a score; mapped to HTTP in one place, the gateway's ``problem_response``.

    Args:
        code: A key of ``PROBLEM_TYPES``.
        detail: One sentence for a person: what was wrong with this request and what would help.
        retry_after: Seconds after which a retry makes sense, sent as ``Retry-After``.
    """

    def __init__(self, code: str, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.kind = PROBLEM_TYPES[code]
        self.detail = detail
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        """The stable code, the last part of the problem document's ``type``."""
        return self.kind.code

    def document(self, instance: str | None = None) -> dict[str, object]:
        """The RFC 9457 problem document.

        Args:
            instance: Identifies this occurrence (the request id).
        """
        document: dict[str, object] = {
            "type": self.kind.urn,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        }
        if instance is not None:
            document["instance"] = instance
        if self.retry_after is not None:
            document["retry_after"] = self.retry_after
        return document


def problem_of(document: Mapping[str, Any]) -> Problem:
    """The problem that a document tells of.

    Args:
        document: What ``Problem.document`` made.

    Raises:
        KeyError: It is none, or of an unknown type.
    """
    retry_after = document.get("retry_after")
    code = str(document["type"]).removeprefix(PROBLEM_URN)
    return Problem(code, str(document["detail"]), retry_after=None if retry_after is None else float(retry_after))
