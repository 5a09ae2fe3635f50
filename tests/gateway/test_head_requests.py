"""HEAD is answered as GET is, without a body, on every route that takes GET."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from facestats_gateway.app import create_app
from facestats_gateway.settings import Settings
from tests.asgi import NO_TRITON, running_app
from tests.gateway_process import GatewayProcess

FILES = ("/", "/static/app.js", "/docs", "/docs/start.js", "/docs/assets/favicon.png", "/openapi.json")


def get_routes() -> list[str]:
    paths = create_app(Settings()).openapi()["paths"]
    return [path for path, operations in paths.items() if "get" in operations]


async def test_every_get_takes_head() -> None:
    assert {"/healthz", "/readyz", "/metrics", "/v1/model"} <= set(get_routes())
    async with running_app() as (client, _):
        for path in (*get_routes(), *FILES):
            got, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (got.status_code, b""), path
            if path != "/metrics":
                assert head.headers["content-length"] == got.headers["content-length"], path
            assert head.headers["content-type"] == got.headers["content-type"], path
        for path in ("/v1/score", "/api/analyze-face"):
            assert (await client.head(path)).status_code == 405, path
        assert 'method="HEAD",route="/healthz",status="200"' in (await client.get("/metrics")).text


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    settings = {"FACESTATS_THREADS": "1", "FACESTATS_DEGRADE": "geometric", "FACESTATS_TRITON_URLS": NO_TRITON}
    with GatewayProcess(settings) as gateway:
        yield gateway


@pytest.mark.integration
def test_a_connection_goes_on_after_head(gateway: GatewayProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    for path in (*get_routes(), *FILES):
        connection.request("HEAD", path)
        head = connection.getresponse()
        assert (head.read(), head.status) == (b"", 200), path
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b'{"status":"ok"}'
    connection.close()
    assert "Traceback" not in gateway.log()
