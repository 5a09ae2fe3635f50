"""``/docs``: Swagger UI from this machine, so that it works without a network and under a strict policy."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from fastapi.staticfiles import StaticFiles

_ASSETS = "/docs/assets"

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>FaceStats on Triton: API</title>
<link rel="icon" href="{_ASSETS}/favicon.png">
<link rel="stylesheet" href="{_ASSETS}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{_ASSETS}/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true});
"""

# Swagger UI writes style attributes and draws its icons from data: URLs.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def install_api_docs(app: FastAPI) -> None:
    """Adds ``/docs`` and its files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> Response:
        return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers={"Cache-Control": "max-age=3600"})

    app.include_router(router)
    # The package is used for the files of Swagger UI that it carries, not for its own FastAPI wrapper.
    app.mount(
        _ASSETS, StaticFiles(directory=Path(str(files("fastapi_offline").joinpath("static")))), name="docs-assets"
    )
