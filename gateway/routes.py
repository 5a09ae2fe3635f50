"""The HTTP routes; each reads its request, calls the pipeline and writes the answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from gateway.deadline import Deadline
from gateway.documents import model_document, notices
from gateway.errors import PROBLEM_TYPES, Problem
from gateway.faces import CaptureMode, Crop, Extra, ScoreOptions, Sex
from gateway.request_body import read_image
from gateway.schemas import (
    BlendDocument,
    Document,
    HealthDocument,
    ModelCardDocument,
    ProblemDocument,
    ReadinessDocument,
    ScoreDocument,
)
from gateway.service import Service

router = APIRouter()

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "model": ProblemDocument,
        "content": {"application/problem+json": {}},
        "description": "; ".join(kind.title for kind in PROBLEM_TYPES.values() if kind.status == status),
    }
    for status in sorted({kind.status for kind in PROBLEM_TYPES.values()})
}

_IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "contentEncoding": "base64"}},
                }
            },
        },
    }
}


def service_of(request: Request) -> Service:
    """The app's service, built in its lifespan."""
    service: Service = request.app.state.service
    return service


def score_options(
    crop: Annotated[
        Crop, Query(description="What CLIP sees: the face aligned as FFHQ does, or the image.")
    ] = "aligned",
    faces: Annotated[Literal["largest", "all"], Query(description="Which faces of the photo.")] = "largest",
    sex: Annotated[Sex | None, Query(description="Parameter set of the geometry; pooled when absent.")] = None,
    capture: Annotated[CaptureMode, Query(description="Two-pass (stable) or one-pass (fast) landmarks.")] = "stable",
    include: Annotated[str, Query(description="Comma list of `landmarks`, `embedding`, `overlay`.")] = "",
) -> ScoreOptions:
    """The query parameters of a score."""
    names = [name.strip() for name in include.split(",") if name.strip()]
    unknown = sorted(set(names) - set(get_args(Extra)))
    if unknown:
        raise Problem("bad-parameter", f"`include`: {', '.join(unknown)} is none of {', '.join(get_args(Extra))}.")
    return ScoreOptions(crop, faces == "all", sex, capture, frozenset(names))  # type: ignore[arg-type]


def request_deadline(
    service: Annotated[Service, Depends(service_of)],
    x_request_timeout: Annotated[
        float | None, Header(gt=0, allow_inf_nan=False, description="Time this request may take, seconds.")
    ] = None,
) -> Deadline:
    """The time budget of a request."""
    settings = service.settings
    asked = settings.request_timeout_seconds if x_request_timeout is None else x_request_timeout
    return Deadline(min(asked, settings.max_request_timeout_seconds))


ServiceDependency = Annotated[Service, Depends(service_of)]
OptionsDependency = Annotated[ScoreOptions, Depends(score_options)]
DeadlineDependency = Annotated[Deadline, Depends(request_deadline)]


def json_response(document: Document, status: int = 200) -> Response:
    """A document as JSON, serialised once."""
    return Response(document.model_dump_json(exclude_none=False), status, media_type="application/json")


@router.post(
    "/v1/score", response_model=ScoreDocument, responses=PROBLEM_RESPONSES, openapi_extra=_IMAGE_BODY, tags=["score"]
)
async def score(
    request: Request, service: ServiceDependency, options: OptionsDependency, deadline: DeadlineDependency
) -> Response:
    """Scores the face of one photo."""
    data = await read_image(request, service.settings.max_image_bytes)
    return json_response(await service.scorer.score(data, options, deadline))


@router.get("/v1/model", response_model=ModelCardDocument, tags=["model"])
async def model(service: ServiceDependency) -> Response:
    """Says what is being served, as far as Triton knows it."""
    provenance = service.monitor.state.provenance
    return json_response(
        ModelCardDocument(
            **model_document(provenance, service.design).model_dump(),
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
