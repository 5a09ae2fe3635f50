"""All three body forms carry the same image; what is malformed or too large is a 4xx problem."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from facestats_gateway.problem_response import install_problem_handlers
from facestats_gateway.request_body import InMemoryMultiPartParser, read_image, read_image_parts

IMAGE = bytes(range(256)) * 8
MAX_BYTES = 4096


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/one")
    async def one(request: Request) -> Response:
        return Response(await read_image(request, MAX_BYTES))

    @app.post("/many")
    async def many(request: Request) -> list[int]:
        images = await read_image_parts(request, "images", max_parts=2, max_body_bytes=4 * MAX_BYTES)
        return [len(image) for image in images]

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        {"files": {"image": ("a.jpg", IMAGE)}},
        {"content": IMAGE, "headers": {"content-type": "image/jpeg"}},
        {"json": {"image": base64.b64encode(IMAGE).decode()}},
        {"json": {"image": "data:image/jpeg;base64," + base64.b64encode(IMAGE).decode()}},
    ],
    ids=["multipart", "raw", "json", "data-url"],
)
async def test_every_form_carries_the_same_bytes(client: httpx.AsyncClient, body: dict) -> None:
    answer = await client.post("/one", **body)
    assert answer.status_code == 200
    assert answer.content == IMAGE


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"content": b"", "headers": {"content-type": "image/jpeg"}}, 400, "empty-body"),
        ({"files": {"image": ("a.jpg", b"")}}, 400, "empty-body"),
        ({"files": {"photo": ("a.jpg", IMAGE)}}, 400, "bad-request"),
        ({"data": {"image": "text"}, "files": {"x": ("x", b"1")}}, 400, "bad-request"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "bad-request"),
        ({"json": {"image": "not base64!"}}, 400, "bad-request"),
        ({"json": ["image"]}, 400, "bad-request"),
        ({"content": IMAGE, "headers": {"content-type": "text/plain"}}, 415, "unsupported-media-type"),
        ({"content": IMAGE}, 415, "unsupported-media-type"),
        ({"content": IMAGE, "headers": {"content-type": "multipart/form-data"}}, 400, "bad-request"),
        ({"content": b"x" * 5000, "headers": {"content-type": "image/png"}}, 413, "too-many-bytes"),
        ({"files": {"image": ("a.jpg", b"x" * 5000)}}, 413, "too-many-bytes"),
        ({"json": {"image": base64.b64encode(b"x" * 5000).decode()}}, 413, "too-many-bytes"),
    ],
)
async def test_bad_bodies_are_problems(client: httpx.AsyncClient, body: dict, status: int, code: str) -> None:
    answer = await client.post("/one", **body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:facestats:problem:{code}"


async def test_many_parts_and_their_limit(client: httpx.AsyncClient) -> None:
    parts = [("images", (f"{index}.jpg", IMAGE)) for index in range(3)]
    assert (await client.post("/many", files=parts[:2])).json() == [len(IMAGE)] * 2
    refused = await client.post("/many", files=parts)
    assert refused.status_code == 413
    assert refused.json()["type"].endswith("too-many-parts")


def test_parts_never_reach_the_disk() -> None:
    assert InMemoryMultiPartParser.spool_max_size > 2**50
