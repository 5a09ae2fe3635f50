"""What routes ask of a request before they do their work: its caller, options and time budget."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from typing import Annotated, get_args

from fastapi import Depends, Header, Query, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import WithJsonSchema

from facestats.deadline import Deadline
from facestats.faces.options import Crop, Extra, Faces, ScoreOptions
from facestats.geometry import CaptureMode, Sex
from facestats.problems import Problem
from facestats.scoring.parameters import parse_include
from facestats_gateway.service import Service

_bearer = HTTPBearer(auto_error=False, description="An API key, where the operator has set any.")
_api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key in a header of its own.")


async def service_of(request: Request) -> Service:
    """The app's service, built in its lifespan."""
    service: Service = request.app.state.service
    return service


ServiceDependency = Annotated[Service, Depends(service_of)]


async def admitted_caller(
    request: Request,
    service: ServiceDependency,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    x_api_key: Annotated[str | None, Depends(_api_key_header)],
) -> str:
    """Who calls, before the body is read: known, with room for a photo, and within the rate.

    Nothing is charged yet, so that what is refused here costs nothing; each route charges for the photos it takes.

    Raises:
        Problem: ``unauthorized``, ``overloaded`` or ``rate-limited``.
    """
    presented = bearer.credentials if bearer is not None else x_api_key
    caller = service.access.identify(presented, request.client.host if request.client else "")
    # Addresses are personal data: only a key's name goes to the log.
    request.scope["facestats.caller"] = caller if caller.startswith("key:") else None
    service.admission.check()
    await service.access.check(caller)
    return caller


CallerDependency = Annotated[str, Depends(admitted_caller)]


_Extra = Annotated[str, WithJsonSchema({"type": "string", "enum": list(get_args(Extra))})]
"""One part to include, in the words of client generators; a comma list of several is taken as well."""


async def score_options(
    crop: Annotated[
        Crop, Query(description="What CLIP sees: the face aligned as FFHQ does, or the image.")
    ] = "aligned",
    faces: Annotated[Faces, Query(description="Which faces of the photo.")] = "largest",
    sex: Annotated[Sex | None, Query(description="Parameter set of the geometry; pooled when absent.")] = None,
    capture: Annotated[CaptureMode, Query(description="Two-pass (stable) or one-pass (fast) landmarks.")] = "stable",
    include: Annotated[
        tuple[_Extra, ...], Query(description="Any of `landmarks`, `embedding`, `overlay`: repeated, or with commas.")
    ] = (),
) -> ScoreOptions:
    """The query parameters of a score."""
    return ScoreOptions(crop, faces == "all", sex, capture, parse_include(",".join(include)))


SCORE_OPTIONS = tuple(inspect.signature(score_options).parameters)
"""Names of the query parameters of a score."""


async def only_score_options(request: Request) -> None:
    """Refuses what a query says in vain.

    Raises:
        Problem: ``bad-parameter``: a name that is none of ``SCORE_OPTIONS``, or one value too many.
    """
    refuse_unknown_query(request, SCORE_OPTIONS)
    for name in SCORE_OPTIONS:
        if name != "include" and len(request.query_params.getlist(name)) > 1:
            raise Problem("bad-parameter", f"`{name}` is given more than once.")


def refuse_unknown_query(request: Request, names: Sequence[str]) -> None:
    """Refuses query parameters that would be ignored.

    Args:
        request: The request.
        names: The parameters that mean something here.

    Raises:
        Problem: ``bad-parameter``, with what was probably meant.
    """
    for name in request.query_params:
        if name not in names:
            probable = difflib.get_close_matches(name.lower(), names, 1)
            meant = f"did you mean `{probable[0]}`?" if probable else f"there is {', '.join(names) or 'none'} here."
            raise Problem("bad-parameter", f"The query parameter `{name[:64]}` is not known; {meant}")


async def request_deadline(
    service: ServiceDependency,
    x_request_timeout: Annotated[
        float | None, Header(gt=0, allow_inf_nan=False, description="Time this request may take, seconds.")
    ] = None,
) -> Deadline:
    """The time budget of a request."""
    return service.settings.deadline(x_request_timeout)


OptionsDependency = Annotated[ScoreOptions, Depends(score_options)]
DeadlineDependency = Annotated[Deadline, Depends(request_deadline)]
