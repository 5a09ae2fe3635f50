"""The gateway's app in this process, with real Face Mesh and no Triton, for tests that need no server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from facestats_gateway.app import create_app
from facestats_gateway.service import Service
from facestats_gateway.settings import Settings

NO_TRITON = "127.0.0.1:1"
"""Nobody listens on port 1."""


@contextlib.asynccontextmanager
async def running_app(**settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    """A client of an app that answers with geometry alone, and the service behind it.

    The app itself is ``client._transport.app``, for tests that speak ASGI.

    Args:
        settings: Fields of ``Settings`` that differ from the defaults for tests.
    """
    given: dict[str, Any] = {"threads": 1, "degrade": "geometric", "triton_urls": NO_TRITON} | settings
    app = create_app(Settings(**given))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test"
        ) as client,
    ):
        yield client, app.state.service
