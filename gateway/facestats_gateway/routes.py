"""The HTTP routes; each reads its request, calls the pipeline and writes the answer."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from facestats.problems import PROBLEM_TYPES
from facestats.scoring.documents import notices
from facestats.scoring.person import score_person
from facestats.scoring.schemas import (
    BlendDocument,
    Document,
    HealthDocument,
    ModelCardDocument,
    PersonDocument,
    ProblemDocument,
    ReadinessDocument,
    ScoreDocument,
)
from facestats_gateway.batch import NDJSON_MEDIA_TYPE
from facestats_gateway.dependencies import (
    SCORE_OPTIONS,
    CallerDependency,
    DeadlineDependency,
    OptionsDependency,
    ServiceDependency,
    admitted_caller,
    only_score_options,
)
from facestats_gateway.disconnect import unless_disconnected
from facestats_gateway.metrics import METRICS_MEDIA_TYPE
from facestats_gateway.request_body import read_image, read_image_parts

router = APIRouter()
scoring_router = APIRouter(dependencies=[Depends(admitted_caller), Depends(only_score_options)])

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "model": ProblemDocument,
        "content": {"application/problem+json": {}},
        "description": "; ".join(kind.title for kind in PROBLEM_TYPES.values() if kind.status == status),
    }
    for status in sorted({kind.status for kind in PROBLEM_TYPES.values()})
}


class NdjsonResponse(StreamingResponse):
    """JSON documents, one a line, as they are ready."""

    media_type = NDJSON_MEDIA_TYPE


_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
# A third form, base64 in JSON, stands in the description only: OpenAPI Generator's clients would send all as JSON.
_IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": _BINARY}}
            },
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
        },
    }
}


def json_response(document: Document, status: int = 200) -> Response:
    """A document as JSON, serialised once."""
    return Response(document.model_dump_json(exclude_none=False), status, media_type="application/json")


_IMAGES_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "properties": {"images": {"type": "array", "minItems": 1, "items": _BINARY}},
                }
            }
        },
    }
}


@scoring_router.post(
    "/v1/score", response_model=ScoreDocument, responses=PROBLEM_RESPONSES, openapi_extra=_IMAGE_BODY, tags=["score"]
)
async def score(
    request: Request,
    service: ServiceDependency,
    caller: CallerDependency,
    options: OptionsDependency,
    deadline: DeadlineDependency,
) -> Response:
    """Scores the face of one photo.

    Besides the forms below, the photo may come as base64 in JSON: `{"image": "<base64>"}` with `application/json`.
    """
    await service.access.charge(caller)
    data = await read_image(request, service.settings.max_image_bytes, SCORE_OPTIONS)
    document = await unless_disconnected(request, service.scorer.score(data, options, deadline))
    return await asyncio.to_thread(json_response, document) if options.large_answer else json_response(document)


@scoring_router.post(
    "/v1/score/batch",
    response_description="One line an image, in the order they are ready.",
    response_class=NdjsonResponse,
    responses=PROBLEM_RESPONSES,
    openapi_extra=_IMAGES_BODY,
    tags=["score"],
)
async def score_batch(
    request: Request,
    service: ServiceDependency,
    caller: CallerDependency,
    options: OptionsDependency,
    deadline: DeadlineDependency,
) -> Response:
    """Scores many photos; what is wrong with one is said in its own line."""
    settings = service.settings
    images = await read_image_parts(
        request,
        "images",
        SCORE_OPTIONS,
        max_parts=settings.max_batch_images,
        max_body_bytes=settings.max_batch_bytes,
    )
    await service.access.charge(caller, len(images))
    return NdjsonResponse(service.batch.lines(images, options, deadline))


@scoring_router.post(
    "/v1/score/person",
    response_model=PersonDocument,
    responses=PROBLEM_RESPONSES,
    openapi_extra=_IMAGES_BODY,
    tags=["score"],
)
async def score_of_person(
    request: Request,
    service: ServiceDependency,
    caller: CallerDependency,
    options: OptionsDependency,
    deadline: DeadlineDependency,
) -> Response:
    """Scores several photos of one person together; which person they show is never looked at."""
    settings = service.settings
    images = await read_image_parts(
        request,
        "images",
        SCORE_OPTIONS,
        max_parts=settings.max_person_photos,
        max_body_bytes=settings.max_batch_bytes,
    )
    await service.access.charge(caller, len(images))
    document = await unless_disconnected(request, score_person(service.scorer, images, options, deadline))
    return await asyncio.to_thread(json_response, document) if options.large_answer else json_response(document)


@router.get("/v1/model", response_model=ModelCardDocument, tags=["model"])
async def model(service: ServiceDependency) -> Response:
    """Says what is being served, as far as Triton knows it."""
    provenance = service.monitor.state.provenance
    return json_response(
        ModelCardDocument(
            **service.model().model_dump(),
            blend=BlendDocument(geometric=service.design.blend.geometric, holistic=service.design.blend.holistic),
            geometry=service.design.geometry,
            notices=notices(provenance, degraded=False),
            provenance={name: value for name, value in provenance.parameters.items() if not name.startswith("golden_")},
        )
    )


@router.get("/healthz", response_model=HealthDocument, tags=["operations"])
async def healthz() -> Response:
    """Liveness: the process answers."""
    return json_response(HealthDocument(status="ok"))


@router.get(
    "/readyz", response_model=ReadinessDocument, responses={503: {"model": ReadinessDocument}}, tags=["operations"]
)
async def readyz(service: ServiceDependency) -> Response:
    """Readiness: Triton and its models are ready and answer the golden input as the export did."""
    readiness = service.readiness()
    return json_response(readiness, 200 if readiness.ready else 503)


@router.get("/metrics", response_class=PlainTextResponse, tags=["operations"])
async def metrics(service: ServiceDependency) -> Response:
    """Prometheus' text format."""
    return Response(service.metrics.exposition(), media_type=METRICS_MEDIA_TYPE)
