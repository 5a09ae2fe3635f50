"""The web page: static files without a build step, and the reference it draws measurements against."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from facestats_gateway.reference_card import ReferenceDocument, reference_document

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The page loads nothing from elsewhere and runs nothing inline; photos are shown from memory."""


def install_page(app: FastAPI) -> None:
    """Adds ``/``, its files under ``/static``, and ``/v1/geometry/reference``."""
    folder = Path(str(files("facestats_gateway").joinpath("web")))
    router = APIRouter()
    # Built once: the reference never changes while the process runs.
    reference = reference_document().model_dump_json().encode()

    @router.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(
            folder / "index.html",
            headers={
                "Content-Security-Policy": CONTENT_SECURITY_POLICY,
                "Cache-Control": "no-cache",
                "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
            },
        )

    @router.get("/v1/geometry/reference", response_model=ReferenceDocument, tags=["model"])
    async def geometry_reference() -> Response:
        """The 25 metrics with the distributions and curves they are scored against."""
        return Response(reference, media_type="application/json", headers={"Cache-Control": "max-age=3600"})

    app.include_router(router)
    app.mount("/static", _PageFiles(directory=folder), name="static")


class _PageFiles(StaticFiles):
    """Static files that browsers ask about each time: the modules of two versions must not mix."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response
