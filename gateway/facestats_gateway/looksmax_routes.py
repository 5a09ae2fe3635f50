"""``POST /api/analyze-face``: the LooksmaxAI backend's call, so that its app works when pointed here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from facestats.deadline import Deadline
from facestats.faces.options import ScoreOptions
from facestats.problems import Problem
from facestats_gateway.dependencies import (
    CallerDependency,
    DeadlineDependency,
    ServiceDependency,
    admitted_caller,
    refuse_unknown_query,
)
from facestats_gateway.disconnect import unless_disconnected
from facestats_gateway.looksmax import MISSING_IMAGES, Analysis, ErrorDocument, Side, analysis, error_of, sex_of
from facestats_gateway.problem_response import PROBLEM_MEDIA_TYPE, problem_headers
from facestats_gateway.request_body import MULTIPART_OVERHEAD, checked_image, media_type, read_form
from facestats_gateway.routes import PROBLEM_RESPONSES
from facestats_gateway.service import Service

router = APIRouter(dependencies=[Depends(admitted_caller)])

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["front_image", "side_image"],
                    "properties": {
                        "front_image": {"type": "string", "format": "binary"},
                        "side_image": {"type": "string", "format": "binary"},
                        "gender": {"type": "string", "enum": ["Male", "Female"]},
                    },
                }
            }
        },
    }
}


# What is wrong with the photos is said in that backend's words, what is wrong with the call (key, rate) in ours.
_ERROR_OR_PROBLEM: dict[str, Any] = {
    "model": ErrorDocument,
    "description": "The photos or the service cannot be used.",
    "content": {
        "application/json": {},
        PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}},
    },
}


@router.post(
    "/api/analyze-face",
    response_model=Analysis,
    responses=PROBLEM_RESPONSES | dict.fromkeys((400, 503), _ERROR_OR_PROBLEM),
    openapi_extra=_FORM,
    tags=["score"],
)
async def analyze_face(
    request: Request,
    service: ServiceDependency,
    caller: CallerDependency,
    deadline: DeadlineDependency,
) -> Response:
    """Scores the front photo in the LooksmaxAI backend's layout.

    The side photo must hold a face, as there; no figure is taken from it, because the geometry is defined on frontal
    faces only.
    """
    # Both photos are decoded and measured.
    await service.access.charge(caller, 2)
    side: Side | None = None
    try:
        form = await _read(request, service.settings.max_image_bytes)
        if "front_image" not in form or "side_image" not in form:
            raise Problem("bad-request", MISSING_IMAGES)
        options = ScoreOptions(sex=sex_of(form.get("gender", b"").decode(errors="replace")))
        side = "front"
        document = await unless_disconnected(request, service.scorer.score(form["front_image"], options, deadline))
        answer = analysis(document.faces[0])
        side = "side"
        await unless_disconnected(request, _require_face(service, form["side_image"], options, deadline))
    except Problem as problem:
        return _error(request, problem, side)
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")


async def _read(request: Request, max_image_bytes: int) -> dict[str, bytes]:
    """The form's fields, the first value of each."""
    refuse_unknown_query(request, ())
    if media_type(request) != "multipart/form-data":
        return {}
    parts = await read_form(request, max_files=2, max_body_bytes=2 * max_image_bytes + MULTIPART_OVERHEAD)
    fields: dict[str, bytes] = {}
    for part in parts:
        if part.name in ("front_image", "side_image"):
            fields.setdefault(part.name, checked_image(part.file(), max_image_bytes))
        else:
            fields.setdefault(part.name, part.data)
    return fields


async def _require_face(service: Service, photo: bytes, options: ScoreOptions, deadline: Deadline) -> None:
    """Raises the problem of a photo that holds no face."""
    try:
        await service.scorer.measure(photo, replace(options, capture="fast"), deadline)
    except Problem as problem:
        # A face that is there but turned too far to be measured is what a side photo shows.
        if problem.code != "unusable-face":
            raise


def _error(request: Request, problem: Problem, side: Side | None) -> Response:
    status, message = error_of(problem, side)
    body = ErrorDocument(error=message).model_dump_json()
    return Response(body, status, problem_headers(request, problem), "application/json")
