"""Without Triton the gateway refuses at once, or, where configured, answers with geometry alone and says so."""

from __future__ import annotations

import pytest

from tests.asgi import running_app

PLACES = ("gateway", "triton")


@pytest.mark.parametrize("place", PLACES)
async def test_scores_are_refused_at_once_and_readiness_is_false(face: bytes, place: str) -> None:
    async with running_app(degrade="none", scoring=place) as (client, _):
        answer = await client.post("/v1/score", files={"image": face})
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:facestats:problem:triton-unavailable"
        assert int(answer.headers["retry-after"]) >= 1
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"], ready.json()["triton"]) == (503, False, False)
        assert (await client.get("/healthz")).status_code == 200
        assert "facestats_triton_up 0.0" in (await client.get("/metrics")).text


@pytest.mark.parametrize("place", PLACES)
async def test_geometry_alone_is_marked_as_such(face: bytes, place: str) -> None:
    async with running_app(degrade="geometric", scoring=place) as (client, _):
        document = (await client.post("/v1/score", files={"image": face})).json()
        ready = await client.get("/readyz")
    (only,) = document["faces"]
    assert document["degraded"] is True
    assert only["score"] is None
    assert only["holistic"] is None
    assert 0 < only["geometric"]["score"] < 100
    assert any("model server is away" in notice for notice in document["notices"])
    assert (ready.status_code, ready.json()["triton"]) == (200, False)
    assert ready.json()["reason"].startswith("Degraded")
