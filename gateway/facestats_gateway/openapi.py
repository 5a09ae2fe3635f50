"""The OpenAPI document, with every problem type and every setting in it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from facestats.problems import PROBLEM_TYPES
from facestats.scoring.schemas import BatchProblemDocument, BatchScoreDocument, Document
from facestats_gateway.batch import NDJSON_MEDIA_TYPE
from facestats_gateway.problem_response import PROBLEM_MEDIA_TYPE
from facestats_gateway.settings import Settings


def install_openapi(app: FastAPI) -> None:
    """Makes ``app.openapi()`` say what FastAPI cannot know."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]


def settings_schema() -> list[dict[str, Any]]:
    """Every setting: its environment variable, what it does, its default (``null``: computed) and its bounds."""
    properties = Settings.model_json_schema()["properties"]
    return [
        {"name": f"FACESTATS_{name.upper()}", "default": schema.get("default")}
        | {key: value for key, value in schema.items() if key not in ("title", "default")}
        for name, schema in properties.items()
    ]


def problem_types() -> list[dict[str, Any]]:
    """Every problem type with its status and title."""
    return [{"type": kind.urn, "status": kind.status, "title": kind.title} for kind in PROBLEM_TYPES.values()]


def _complete(document: dict[str, Any]) -> None:
    document["x-problem-types"] = problem_types()
    document["x-settings"] = settings_schema()
    schemas = document["components"]["schemas"]
    schemas["ProblemDocument"]["properties"]["type"]["enum"] = [kind["type"] for kind in problem_types()]
    document["paths"]["/v1/score/batch"]["post"]["responses"]["200"]["content"][NDJSON_MEDIA_TYPE] = {
        "schema": {"oneOf": [_inlined(BatchScoreDocument), _inlined(BatchProblemDocument)]}
    }
    for path in document["paths"].values():
        for operation in path.values():
            # FastAPI's own validation error is answered as a problem instead (400).
            responses = {
                status: answer for status, answer in operation["responses"].items() if not _is_fastapi_s(answer)
            }
            for answer in responses.values():
                _say_media_type(answer.get("content", {}))
            operation["responses"] = responses
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _inlined(line: type[Document]) -> dict[str, Any]:
    """A batch line's schema; FastAPI documents no model for a stream. Its parts are among the components already."""
    schema = line.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    del schema["$defs"]
    return schema


def _is_fastapi_s(answer: dict[str, Any]) -> bool:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("/HTTPValidationError")


def _say_media_type(content: dict[str, Any]) -> None:
    """A problem's schema stands under its own media type only; FastAPI files it under the route's."""
    if content.get(PROBLEM_MEDIA_TYPE) == {}:
        others = [content.pop(media_type) for media_type in list(content) if media_type != PROBLEM_MEDIA_TYPE]
        content[PROBLEM_MEDIA_TYPE] = next(iter(others), {})
