"""All three body forms carry the same image; what is malformed or too large is a 4xx problem."""

from __future__ import annotations

import base64
import gzip
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from facestats_gateway.problem_response import install_problem_handlers
from facestats_gateway.request_body import read_image, read_image_parts

IMAGE = bytes(range(256)) * 8
MAX_BYTES = 4096
OPTIONS = ("sex", "include")
BASE64 = base64.b64encode(IMAGE).decode()
GZIP = {"content-encoding": "gzip"}
UNSUPPORTED = (415, "unsupported-media-type")
IN_LINES = base64.encodebytes(IMAGE).decode()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/one")
    async def one(request: Request) -> Response:
        return Response(await read_image(request, MAX_BYTES, OPTIONS))

    @app.post("/many")
    async def many(request: Request) -> list[int]:
        images = await read_image_parts(request, "images", OPTIONS, max_parts=2, max_body_bytes=4 * MAX_BYTES)
        return [len(image) for image in images]

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        {"files": {"image": ("a.jpg", IMAGE)}},
        {"content": IMAGE, "headers": {"content-type": "image/jpeg"}},
        {"json": {"image": BASE64}},
        {"json": {"image": f"data:image/jpeg;base64,{BASE64}"}},
        {"json": {"image": f" DATA:image/jpeg;charset=x;BASE64,{BASE64}\n"}},
        {"json": {"image": f"data:;base64,{quote(BASE64, safe='')}"}},
        {"json": {"image": IN_LINES}},
        {"json": {"image": IN_LINES.replace("\n", "\r\n")}},
        {"json": {"image": IN_LINES.replace("\n", " ")}},
        {"json": {"image": f"data:image/png;base64,{IN_LINES}"}},
        {"json": {"image": BASE64.rstrip("=")}},
        {"json": {"image": base64.urlsafe_b64encode(IMAGE).decode()}},
        {"json": {"image": base64.urlsafe_b64encode(IMAGE).decode().rstrip("=")}},
        {
            "content": b'{"image": "%s"}\n' % IN_LINES.encode(),
            "headers": {"content-type": "application/json; charset=utf-8"},
        },
        {"content": IMAGE, "headers": {"content-type": "image/jpeg", "content-encoding": "identity"}},
    ],
    ids=[
        *("multipart", "raw", "json", "data-url", "shouted", "percent-encoded", "lines", "crlf", "shell-words"),
        *("data-url-lines", "unpadded", "urlsafe", "urlsafe-unpadded", "raw-line-breaks", "identity"),
    ],
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
        ({"files": {"image": ("a.jpg", IMAGE), "photo": ("b.jpg", IMAGE)}}, 413, "too-many-parts"),
        ({"files": {"image": ("a.jpg", IMAGE)}, "data": {"sex": "male"}}, 400, "bad-parameter"),
        ({"json": {"image": BASE64, "include": "overlay"}}, 400, "bad-parameter"),
        ({"json": {"image": "data:image/jpeg,xyz"}}, 400, "bad-request"),
        ({"json": {"image": BASE64.replace("+", " ").replace("w", " ")}}, 400, "bad-request"),
        ({"json": {"image": BASE64[:5]}}, 400, "bad-request"),
        ({"json": {"image": "=" + BASE64}}, 400, "bad-request"),
        ({"content": gzip.compress(IMAGE), "headers": GZIP | {"content-type": "image/jpeg"}}, *UNSUPPORTED),
        ({"content": gzip.compress(b"{}"), "headers": GZIP | {"content-type": "application/json"}}, *UNSUPPORTED),
        ({"files": {"image": ("a.jpg", IMAGE, "image/jpeg", {"Content-Encoding": "gzip"})}}, *UNSUPPORTED),
        ({"files": {"image": ("a.jpg", IMAGE, "image/jpeg", {"Content-Transfer-Encoding": "base64"})}}, *UNSUPPORTED),
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


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> dict[str, Any]:
    content = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
    return {"content": content, "headers": {"content-type": "multipart/form-data; boundary=b"}}


def part(parameters: bytes) -> bytes:
    return b"Content-Disposition: form-data; %s\r\n\r\n%s" % (parameters, IMAGE)


async def test_a_form_in_pieces_is_read_whole(client: httpx.AsyncClient) -> None:
    whole = form(part(b'name="image"; filename="a.jpg"'))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole["content"]), 7):
            yield whole["content"][start : start + 7]

    answer = await client.post("/one", content=pieces(), headers=whole["headers"])
    assert answer.content == IMAGE


@pytest.mark.parametrize("end", [b"", b"--b\r\n", b"--b-", b"--b"], ids=["none", "another part", "half", "bare"])
@pytest.mark.parametrize(("path", "field"), [("/one", b"image"), ("/many", b"images")])
async def test_a_form_without_its_closing_boundary_is_refused(
    client: httpx.AsyncClient, path: str, field: bytes, end: bytes
) -> None:
    image = part(b'name="%s"; filename="a.jpg"' % field)
    refused = await client.post(path, **form(image, end=end))
    assert (refused.status_code, refused.json()["type"][22:]) == (400, "bad-request"), refused.text
    assert "closing boundary" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [(b'name="image"', "no filename"), (b"name=\"image\"; filename*=UTF-8''na%C3%AFve.jpg", "only `filename*`")],
)
async def test_a_photo_that_is_sent_as_text_is_told_how_to_be_a_file(
    client: httpx.AsyncClient, parameters: bytes, said: str
) -> None:
    refused = await client.post("/one", **form(part(parameters)))
    assert (refused.status_code, refused.json()["type"][22:]) == (400, "bad-request")
    assert said in refused.json()["detail"]


async def test_what_a_form_or_document_says_in_vain_is_named(client: httpx.AsyncClient) -> None:
    refused = await client.post("/one", files={"image": IMAGE}, data={"sex": "male", "colour": "red"})
    assert "`colour`, `sex`" in refused.json()["detail"]
    assert "?sex=..." in refused.json()["detail"]
    refused = await client.post("/one", json={"image": BASE64, "include": "overlay"})
    assert "?include=..." in refused.json()["detail"]


async def test_many_photos_come_in_a_form_only(client: httpx.AsyncClient) -> None:
    for body in ({"json": {"images": [BASE64]}}, {"content": IMAGE, "headers": {"content-type": "image/jpeg"}}):
        refused = await client.post("/many", **body)
        assert (refused.status_code, refused.json()["type"][22:]) == (415, "unsupported-media-type")
        assert "`images`" in refused.json()["detail"]
