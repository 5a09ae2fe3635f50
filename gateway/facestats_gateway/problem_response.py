"""Problems and everything unexpected, answered as RFC 9457 documents: the one place errors meet HTTP."""

from __future__ import annotations

import math

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from facestats.problems import Problem

PROBLEM_MEDIA_TYPE = "application/problem+json"

_CODE_OF_STATUS = {400: "bad-request", 404: "not-found", 405: "method-not-allowed"}


def install_problem_handlers(app: FastAPI) -> None:
    """Makes every error of the app a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def problem_response(request: Request, problem: Problem) -> Response:
    """The HTTP answer for a problem."""
    headers = problem_headers(request, problem)
    body = orjson.dumps(problem.document(request.scope.get("facestats.request_id")))
    return Response(body, problem.kind.status, headers, PROBLEM_MEDIA_TYPE)


def problem_headers(request: Request, problem: Problem) -> dict[str, str]:
    """The headers a problem is answered with, in whatever body; leaves its code in the scope, for metrics and log."""
    request.scope["facestats.problem"] = problem.code
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(problem.retry_after)))
    if problem.code == "request-timeout":
        # The rest of the body may come for ever.
        headers["Connection"] = "close"
    if problem.kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(request, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"`{item['loc'][-1]}`: {item['msg']}" for item in error.errors())
    return problem_response(request, Problem("bad-parameter", f"{said}."))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODE_OF_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal-error")
    response = problem_response(request, Problem(code, f"{request.method} {request.url.path}: {error.detail}."))
    response.headers.update(error.headers or {})
    return response


def unexpected_error_response(request: Request) -> Response:
    """The answer for an error that nobody foresaw; what it was stays in the log."""
    return problem_response(request, Problem("internal-error", "The service failed on this request."))
