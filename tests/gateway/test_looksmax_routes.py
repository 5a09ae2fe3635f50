"""What the drop-in's answers cost and leave behind: quota, log and metrics as any other route's."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.asgi import running_app


async def rejected(client: httpx.AsyncClient) -> dict[str, float]:
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples]
    return {sample.labels["reason"]: sample.value for sample in samples if sample.name == "facestats_rejected_total"}


def photos(face: bytes) -> dict[str, bytes]:
    return {"front_image": face, "side_image": face}


async def test_without_triton_it_answers_503_and_never_a_score_that_is_null(face: bytes) -> None:
    async with running_app(degrade="geometric") as (client, _):
        assert (await client.post("/v1/score", files={"image": face})).json()["degraded"] is True
        answer = await client.post("/api/analyze-face", files=photos(face))
        assert answer.status_code == 503
        assert list(answer.json()) == ["error"]
        assert int(answer.headers["retry-after"]) >= 1
        assert await rejected(client) == {"triton-unavailable": 1}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"front_image": b"no photo", "side_image": b"none"}, "not-an-image"),
        ({"front_image": b"no photo"}, "bad-request"),
    ],
)
async def test_its_problems_reach_metrics_and_log(
    files: dict[str, bytes], code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running_app(log_format="json") as (client, _):
        assert (await client.post("/api/analyze-face", files=files)).status_code == 400
        assert await rejected(client) == {code: 1}
    logged = "".join(capfd.readouterr())
    assert code in logged


async def test_it_is_charged_for_two_photos(face: bytes) -> None:
    async with running_app(rate_limit="3/hour") as (client, _):
        assert (await client.post("/api/analyze-face", files=photos(face))).status_code == 503
        assert (await client.post("/api/analyze-face", files=photos(face))).status_code == 429
        assert (await client.post("/v1/score", files={"image": face})).status_code == 200
