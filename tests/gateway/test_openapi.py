"""The OpenAPI document says what is true of every route, setting and problem."""

from __future__ import annotations

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
    result, problem = content["application/x-ndjson"]["schema"]["oneOf"]
    assert {"index", "faces", "model"} <= set(result["properties"])
    assert set(problem["properties"]) == {"index", "problem"}


def test_scoring_routes_say_that_they_take_a_key(document: dict[str, Any]) -> None:
    for path in ("/v1/score", "/v1/score/batch", "/api/analyze-face"):
        assert document["paths"][path]["post"]["security"]
    assert "security" not in document["paths"]["/healthz"]["get"]
