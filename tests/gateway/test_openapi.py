"""The OpenAPI document says what is true of every route, setting and problem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from facestats.problems import PROBLEM_TYPES
from facestats_gateway.app import create_app
from facestats_gateway.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_every_problem_type_and_setting_is_in_it(document: dict[str, Any]) -> None:
    urns = [kind.urn for kind in PROBLEM_TYPES.values()]
    assert [kind["type"] for kind in document["x-problem-types"]] == urns
    assert document["components"]["schemas"]["ProblemDocument"]["properties"]["type"]["enum"] == urns
    assert {setting["name"] for setting in document["x-settings"]} == {
        f"FACESTATS_{name.upper()}" for name in Settings.model_fields
    }
    assert all(setting["description"] for setting in document["x-settings"])


def test_problems_have_their_own_media_type(document: dict[str, Any]) -> None:
    answers = document["paths"]["/v1/score"]["post"]["responses"]
    assert list(answers["503"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in str(document)


def test_batch_lines_are_described(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/score/batch"]["post"]["responses"]["200"]["content"]
    lines = content["application/x-ndjson"]["schema"]["oneOf"]
    result, problem = (document["components"]["schemas"][line["$ref"].rpartition("/")[2]] for line in lines)
    assert {"index", "faces", "model"} <= set(result["properties"])
    assert set(problem["properties"]) == {"index", "problem"}


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch", "/api/analyze-face"])
def test_scoring_routes_need_a_key_where_the_operator_has_set_any(document: dict[str, Any], path: str) -> None:
    assert document["paths"][path]["post"]["security"] == [{}, {"HTTPBearer": []}, {"APIKeyHeader": []}]
    with_keys = create_app(Settings(api_keys=f"web:{'0' * 64}")).openapi()
    assert with_keys["paths"][path]["post"]["security"] == [{"HTTPBearer": []}, {"APIKeyHeader": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == []


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document that has a type."""
    if isinstance(node, dict):
        if "type" in node:
            yield node
        for value in node.values():
            yield from schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas(value)


def test_generators_understand_every_schema(document: dict[str, Any]) -> None:
    components = document["components"]["schemas"]
    for component in components.values():
        for name, property_ in component.get("properties", {}).items():
            assert property_.get("type") != "null", (component["title"], name)
    assert all("items" in schema for schema in schemas(document) if schema["type"] == "array")
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                assert "anyOf" not in parameter["schema"], parameter["name"]
                assert "type" in parameter["schema"], parameter["name"]


def test_forms_come_first_and_need_a_photo(document: dict[str, Any]) -> None:
    one = document["paths"]["/v1/score"]["post"]["requestBody"]["content"]
    assert list(one) == ["multipart/form-data", "image/*", "application/octet-stream"]
    many = document["paths"]["/v1/score/batch"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert many["properties"]["images"]["minItems"] == 1


def test_the_drop_in_s_errors_are_that_backend_s(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/analyze-face"]["post"]["responses"]
    for status in ("400", "503"):
        content = responses[status]["content"]
        assert list(content) == ["application/json", "application/problem+json"]
        assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorDocument"}
