"""The OpenAPI document, with every problem type and every setting in it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from facestats.problems import PROBLEM_TYPES
from facestats.scoring.schemas import BatchProblemDocument, BatchScoreDocument, Document
from facestats_gateway.batch import NDJSON_MEDIA_TYPE
from facestats_gateway.problem_response import PROBLEM_MEDIA_TYPE
from facestats_gateway.settings import Settings

TAGS = [
    {"name": "score", "description": "Photos in, scores out."},
    {"name": "model", "description": "What is being served, and what it is compared with."},
    {"name": "operations", "description": "For load balancers and monitoring."},
]
"""Groups of routes, as the document lists them."""


def install_openapi(app: FastAPI, *, keys: bool) -> None:
    """Makes ``app.openapi()`` say what FastAPI cannot know.

    Args:
        app: The application.
        keys: Whether callers need an API key.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate(), keys)
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


def _complete(document: dict[str, Any], keys: bool) -> None:
    document["x-problem-types"] = problem_types()
    document["x-settings"] = settings_schema()
    schemas = document["components"]["schemas"]
    schemas["ProblemDocument"]["properties"]["type"]["enum"] = [kind["type"] for kind in problem_types()]
    lines = (BatchScoreDocument, BatchProblemDocument)
    schemas.update({line.__name__: _component(line) for line in lines})
    document["paths"]["/v1/score/batch"]["post"]["responses"]["200"]["content"][NDJSON_MEDIA_TYPE] = {
        "schema": {"oneOf": [{"$ref": f"#/components/schemas/{line.__name__}"} for line in lines]}
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
            _say_security(operation, keys)
            for parameter in operation.get("parameters", ()):
                _leave_out_null(parameter)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _component(line: type[Document]) -> dict[str, Any]:
    """A batch line's schema; FastAPI documents no model for a stream. Its parts are among the components already."""
    schema = line.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    del schema["$defs"]
    return schema


def _say_security(operation: dict[str, Any], keys: bool) -> None:
    """An operation that takes a key takes none as well where the operator has set none."""
    needed = operation.get("security", [])
    operation["security"] = needed if keys or not needed else [{}, *needed]


def _leave_out_null(parameter: dict[str, Any]) -> None:
    """A header or query parameter that is not given is absent; there is no null in either."""
    schema = parameter["schema"]
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        schema.update(kinds[0])
    elif kinds:
        schema["anyOf"] = kinds


def _is_fastapi_s(answer: dict[str, Any]) -> bool:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("/HTTPValidationError")


def _say_media_type(content: dict[str, Any]) -> None:
    """A problem's schema stands under its own media type only; FastAPI files it under the route's."""
    if content.get(PROBLEM_MEDIA_TYPE) == {}:
        others = [content.pop(media_type) for media_type in list(content) if media_type != PROBLEM_MEDIA_TYPE]
        content[PROBLEM_MEDIA_TYPE] = next(iter(others), {})
    elif PROBLEM_MEDIA_TYPE in content:
        # Generators take the first for the one that is meant.
        content[PROBLEM_MEDIA_TYPE] = content.pop(PROBLEM_MEDIA_TYPE)
