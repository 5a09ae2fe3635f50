"""The app factory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from gateway.looksmax_routes import router as looksmax_router
from gateway.page import install_page
from gateway.problem_response import install_problem_handlers
from gateway.routes import router
from gateway.service import run_service
from gateway.settings import Settings

DESCRIPTION = """A face photo goes in, a score comes out: 60 % facial geometry, 40 % holistic attractiveness (CLIP +
FaceStats on NVIDIA Triton). Ratings of attractiveness are opinions of particular raters; never decide about people
with them."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Builds the gateway.

    Args:
        settings: The configuration; read from the environment if absent.
    """
    settings = settings or Settings()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with run_service(settings) as service:
            app.state.service = service
            yield

    app = FastAPI(title="FaceStats on Triton", version="1", description=DESCRIPTION, lifespan=lifespan)
    install_problem_handlers(app)
    app.include_router(router)
    app.include_router(looksmax_router)
    install_page(app)
    return app
