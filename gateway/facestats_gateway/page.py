"""The web page: static files without a build step, and the reference it draws measurements against."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from facestats_gateway.reference_card import ReferenceDocument, reference_document

CONTENT_SECURITY_POLICY = "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'self'"
"""The page loads nothing from elsewhere and runs nothing inline; photos are shown from memory."""

_NOBODY = "'none'"
"""Content-Security-Policy's word for an empty list."""


def install_page(app: FastAPI, embedders: str, *, shown: bool) -> None:
    """Adds ``/v1/geometry/reference`` and, if it is shown, the page ``/`` with its files under ``/static``.

    Args:
        app: The application.
        embedders: Origins whose pages may show this one in a frame, separated by spaces; none if empty.
        shown: Whether there is a page at all.
    """
    folder = Path(str(files("facestats_gateway").joinpath("web")))
    router = APIRouter()
    # Built once: the reference never changes while the process runs.
    reference = reference_document().model_dump_json().encode()

    policy = f"{CONTENT_SECURITY_POLICY}; frame-ancestors {embedders or _NOBODY}"

    async def page() -> FileResponse:
        return FileResponse(
            folder / "index.html",
            headers={
                "Content-Security-Policy": policy,
                "Cache-Control": "no-cache",
                "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
            },
        )

    @router.get("/v1/geometry/reference", response_model=ReferenceDocument, tags=["model"])
    async def geometry_reference() -> Response:
        """The 25 metrics with the distributions and curves they are scored against."""
        return Response(reference, media_type="application/json", headers={"Cache-Control": "max-age=3600"})

    if shown:
        router.add_api_route("/", page, include_in_schema=False)
    app.include_router(router)
    if shown:
        app.mount("/static", _PageFiles(directory=folder), name="static")


class _PageFiles(StaticFiles):
    """Static files that browsers ask about each time: the modules of two versions must not mix."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response
