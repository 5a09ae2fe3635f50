"""The app factory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import structlog
from fastapi import FastAPI
from fastapi.middleware import Middleware
from fastapi.middleware.cors import CORSMiddleware

from facestats.logging import configure_logging
from facestats_gateway.addresses import comma_list
from facestats_gateway.api_docs import install_api_docs
from facestats_gateway.head_requests import HeadRequests
from facestats_gateway.looksmax_routes import router as looksmax_router
from facestats_gateway.metrics import Metrics
from facestats_gateway.openapi import TAGS, install_openapi
from facestats_gateway.page import install_page
from facestats_gateway.problem_response import install_problem_handlers
from facestats_gateway.request_context import RequestContext
from facestats_gateway.routes import router, scoring_router
from facestats_gateway.service import run_service
from facestats_gateway.settings import Settings
from facestats_gateway.tracing import Tracing
from facestats_gateway.uploads import UploadLimits

DESCRIPTION = """A face photo goes in, a score comes out: 60 % facial geometry, 40 % holistic attractiveness (CLIP +
FaceStats on NVIDIA Triton). Ratings of attractiveness are opinions of particular raters; never decide about people
with them."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Builds the gateway.

    Args:
        settings: The configuration; read from the environment if absent.
    """
    settings = settings or Settings()
    if not structlog.is_configured():
        # Structlog's own default prints local variables with a traceback, photos among them.
        configure_logging(settings.log_level, settings.log_format)
    metrics = Metrics()
    tracing = Tracing(settings.trace_endpoint)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with run_service(settings, metrics, tracing) as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="FaceStats on Triton",
        version="1",
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        # Wherever this document comes from.
        servers=[{"url": "/"}],
        openapi_tags=TAGS,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=_middleware(settings, metrics),
        telemetry=tracing.telemetry,
    )
    install_problem_handlers(app)
    app.include_router(scoring_router)
    app.include_router(router)
    app.include_router(looksmax_router)
    install_api_docs(app)
    install_page(app, " ".join(comma_list(settings.page_embedders)), shown=settings.page == "on")
    install_openapi(app, keys=bool(settings.keys))
    return app


def _middleware(settings: Settings, metrics: Metrics) -> list[Middleware]:
    """What surrounds the routes, outermost first."""
    layers = [
        Middleware(RequestContext, metrics=metrics),
        Middleware(
            UploadLimits,
            max_bytes_in_flight=settings.max_upload_bytes_in_flight,
            seconds=settings.upload_seconds,
        ),
        Middleware(HeadRequests),
    ]
    if settings.origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "X-Request-Timeout"],
            expose_headers=["Retry-After", "X-Request-ID"],
        )
        layers.insert(0, cors)
    return layers
