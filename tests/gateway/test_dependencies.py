"""What a query says is honoured or refused, never ignored."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.asgi import running_app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with running_app() as (client, _):
        yield client


@pytest.mark.parametrize("query", ["include=landmarks&include=overlay", "include=landmarks,overlay&include="])
async def test_a_repeated_include_is_honoured(client: httpx.AsyncClient, face: bytes, query: str) -> None:
    answer = await client.post(f"/v1/score?capture=fast&{query}", files={"image": face})
    (found,) = answer.json()["faces"]
    assert len(found["landmarks"]) == 478
    assert found["overlay"].startswith("data:image/jpeg")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("gender=male", "`gender` is not known"),
        ("Sex=male", "did you mean `sex`?"),
        ("includes=overlay", "did you mean `include`?"),
        ("include[]=overlay", "did you mean `include`?"),
        ("crop=full&crop=aligned", "`crop` is given more than once"),
        ("include=overlay,embeddings", "embeddings is none of landmarks, embedding, overlay"),
        ("sex=Male", "`sex`"),
    ],
)
@pytest.mark.parametrize(("path", "field"), [("/v1/score", "image"), ("/v1/score/batch", "images")])
async def test_what_a_query_says_in_vain_is_named(
    client: httpx.AsyncClient, face: bytes, path: str, field: str, query: str, said: str
) -> None:
    answer = await client.post(f"{path}?{query}", files={field: face})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:facestats:problem:bad-parameter")
    assert said in answer.json()["detail"]


async def test_the_drop_in_takes_no_query(client: httpx.AsyncClient, face: bytes) -> None:
    answer = await client.post("/api/analyze-face?sex=male", files={"front_image": face, "side_image": face})
    assert answer.status_code == 400
    assert "`sex` is not known" in answer.json()["error"]
