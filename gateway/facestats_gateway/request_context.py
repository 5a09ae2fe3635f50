"""What surrounds every request: id, log line, metrics, security headers, and an answer whatever fails."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facestats_gateway.metrics import Metrics
from facestats_gateway.problem_response import unexpected_error_response

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Sent unless the route says otherwise: answers are data about a person, never a page."""


class RequestContext:
    """ASGI middleware: gives every request an id, counts it, logs it, and answers what nobody foresaw.

    Args:
        app: The application.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = structlog.get_logger("facestats.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application for one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = _request_id(scope)
        scope["facestats.request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception as error:
                self._log.error("unexpected error", path=scope["path"], exc_info=error)
                if status:
                    raise
                response = unexpected_error_response(Request(scope))
                await response(scope, receive, send_with_headers)
            finally:
                self._record(scope, status, time.perf_counter() - start)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self._metrics.request(route, scope["method"], status, seconds)
        problem = scope.get("facestats.problem")
        if problem is not None:
            self._metrics.problem(problem)
        log = self._log.debug if route in _QUIET_ROUTES else self._log.info
        log(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            milliseconds=round(seconds * 1e3, 1),
            problem=problem,
            caller=scope.get("facestats.caller"),
        )


def _route(scope: Scope) -> str:
    """The template that matched: label values must stay few, so nothing that a caller may choose is in it."""
    route = getattr(scope.get("route"), "path", None)
    if route is not None:
        return str(route)
    if "endpoint" not in scope or scope.get("path_params"):
        return "unmatched"
    if "app_root_path" in scope:
        # A folder of files: what it was mounted under.
        return str(scope["root_path"]).removeprefix(scope["app_root_path"]) + "/{path}"
    return str(scope["path"])


def _request_id(scope: Scope) -> str:
    """The client's own id where it is harmless, else a new one."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
