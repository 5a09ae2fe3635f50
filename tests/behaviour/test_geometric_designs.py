"""The setting ``geometry`` decides what the geometric score is made of, and every answer says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asgi import running_app


async def scored(face: bytes, design: str) -> tuple[dict[str, Any], dict[str, Any]]:
    async with running_app(geometry=design) as (client, _):
        document = (await client.post("/v1/score", files={"image": face}, params={"sex": "male"})).json()
        return document["faces"][0]["geometric"], (await client.get("/v1/model")).json()


async def test_each_design_gives_its_own_score_and_its_name(face: bytes) -> None:
    answers = {design: await scored(face, design) for design in ("metrics", "shape", "mean")}
    for design, (geometric, model) in answers.items():
        assert geometric["design"] == design
        assert model["geometry"] == design
        assert geometric["sex"] == "male"
        assert len(geometric["metrics"]) == 25
    scores = {design: geometric["score"] for design, (geometric, _) in answers.items()}
    assert abs(scores["metrics"] - scores["shape"]) > 0.5
    assert scores["mean"] == pytest.approx((scores["metrics"] + scores["shape"]) / 2, abs=0.01)
