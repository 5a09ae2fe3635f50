"""Every answer carries an id and security headers, is counted and logged, whatever happened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from facestats.logging import configure_logging
from facestats_gateway.metrics import Metrics
from facestats_gateway.problem_response import install_problem_handlers
from facestats_gateway.request_context import SECURITY_HEADERS, RequestContext
from tests.asgi import running_app

SECRET = "pixels of somebody's face"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(metrics: Metrics, capfd: pytest.CaptureFixture[str]) -> AsyncIterator[httpx.AsyncClient]:
    configure_logging("info", "json")
    app = FastAPI()
    install_problem_handlers(app)
    app.add_middleware(RequestContext, metrics=metrics)

    @app.get("/good/{item}")
    async def good(item: str) -> dict[str, str]:
        return {"item": item}

    @app.get("/broken")
    async def broken() -> None:
        photo = SECRET
        raise RuntimeError(f"unforeseen {len(photo)}")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def counted(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


async def test_a_sane_request_id_is_kept_and_another_replaced(client: httpx.AsyncClient) -> None:
    kept = await client.get("/good/1", headers={"X-Request-ID": "trace-1.a:b_C"})
    assert kept.headers["x-request-id"] == "trace-1.a:b_C"
    for insane in ("a b", "x" * 200, "<script>"):
        replaced = (await client.get("/good/1", headers={"X-Request-ID": insane})).headers["x-request-id"]
        assert replaced != insane
        assert len(replaced) == 32


async def test_a_problem_names_the_request(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nothing")
    assert answer.json()["instance"] == answer.headers["x-request-id"]


async def test_security_headers_are_on_every_answer(client: httpx.AsyncClient) -> None:
    for path in ("/good/1", "/nothing", "/broken"):
        headers = (await client.get(path)).headers
        assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_requests_are_counted_by_route_template(client: httpx.AsyncClient, metrics: Metrics) -> None:
    for path in ("/good/1", "/good/2", "/nothing", "/broken"):
        await client.get(path)
    await client.request("BREW", "/good/1")
    requests = counted(metrics, "facestats_requests_total")
    assert requests == {
        ("GET", "/good/{item}", "200"): 2,
        ("GET", "unmatched", "404"): 1,
        ("GET", "/broken", "500"): 1,
        ("other", "/good/{item}", "405"): 1,
    }
    assert counted(metrics, "facestats_rejected_total") == {
        ("not-found",): 1,
        ("internal-error",): 1,
        ("method-not-allowed",): 1,
    }


async def test_an_unforeseen_error_is_a_problem_and_its_log_holds_no_local_variables(
    client: httpx.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:facestats:problem:internal-error"
    assert "unforeseen" not in answer.text
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    failure = next(line for line in lines if line["event"] == "unexpected error")
    assert failure["exception"][0]["exc_type"] == "RuntimeError"
    assert failure["request_id"] == answer.headers["x-request-id"]
    assert SECRET not in json.dumps(lines)
    request = next(line for line in lines if line["event"] == "request")
    assert (request["route"], request["status"], request["problem"]) == ("/broken", 500, "internal-error")


async def test_the_page_s_own_files_are_no_unmatched_requests() -> None:
    async with running_app() as (client, _):
        for path in ("/", "/static/app.js", "/static/style.css", "/docs", "/docs/assets/favicon.png", "/openapi.json"):
            assert (await client.get(path)).status_code == 200, path
        for path in ("/static/made-up.js", "/made-up/1", "/made-up/2"):
            assert (await client.get(path)).status_code == 404, path
        families = text_string_to_metric_families((await client.get("/metrics")).text)
        routes = {
            (sample.labels["route"], sample.labels["status"]): sample.value
            for family in families
            for sample in family.samples
            if sample.name == "facestats_requests_total"
        }
    assert routes == {
        ("/", "200"): 1,
        ("/static/{path}", "200"): 2,
        ("/static/{path}", "404"): 1,
        ("/docs", "200"): 1,
        ("/docs/assets/{path}", "200"): 1,
        ("/openapi.json", "200"): 1,
        ("unmatched", "404"): 2,
    }
