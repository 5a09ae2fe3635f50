"""Damaged images and malformed requests are refused with a problem and harm nothing (the long run: ``make fuzz``)."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from benchmarks.fuzz import fuzz_app, fuzz_decoder
from benchmarks.mutations import bomb
from tests.asgi import running_app
from tests.core.images.formats.accepted import accepted_cases
from tests.core.images.formats.case import encoded, example
from tests.core.images.formats.refused import refused_cases
from tests.gateway_process import GatewayProcess
from tests.stack import Stack
from tests.traffic import traffic

OCTETS = {"content-type": "application/octet-stream"}


def test_decoder_survives_mutated_files() -> None:
    outcomes, _ = fuzz_decoder(1500, seed=0)
    # Enough get through to show that whole decoders were at work, and enough are refused.
    assert outcomes["decoded"] > 100
    assert outcomes["truncated-image"] > 100
    assert outcomes.total() == 1500


async def test_app_answers_mutated_requests_with_problems() -> None:
    statuses, _ = await fuzz_app(120, seed=3)
    assert statuses.total() == 120
    assert statuses[200] > 10
    assert {status for status in statuses if isinstance(status, int)} <= {200, 400, 413, 415, 422}


async def test_odd_files_are_scored_as_the_photo_they_hold() -> None:
    upright = example()
    odd = ("eXIf chunk that is no EXIF", "orientation 6 in EXIF only", "grey, 16 bits, white is zero, little endian")
    cases = [case for case in accepted_cases() if case.what in odd]
    assert len(cases) == 4
    async with running_app() as (client, _):
        plain = await client.post("/v1/score", content=encoded(upright, "PNG"), headers=OCTETS)
        for case in cases:
            answer = await client.post("/v1/score", content=case.make(upright), headers=OCTETS)
            assert answer.status_code == 200, (case.name, answer.text)
            scores = [document.json()["faces"][0]["geometric"]["score"] for document in (plain, answer)]
            # A grey photo is measured a little differently; a negative or a turned one is 30 points off.
            assert scores[1] == pytest.approx(scores[0], abs=6), case.name


async def test_images_of_other_formats_are_named() -> None:
    upright = example()
    cases = [case for case in refused_cases() if case.problem == "unsupported-format"][::9]
    async with running_app() as (client, _):
        for case in cases:
            answer = await client.post("/v1/score", content=case.make(upright), headers=OCTETS)
            assert (answer.status_code, answer.json()["type"]) == (415, "urn:facestats:problem:unsupported-format")


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "application/octet-stream"])
async def test_content_decides_whatever_the_name_and_type_say(face: bytes, content_type: str) -> None:
    async with running_app() as (client, _):
        answer = await client.post("/v1/score", content=face, headers={"content-type": content_type})
        named = await client.post("/v1/score", files={"image": ("script.php", face, "text/html")})
    assert (answer.status_code, named.status_code) == (200, 200)


async def test_a_polyglot_is_only_ever_a_picture(face: bytes) -> None:
    polyglot = face + b"PK\x03\x04<script>alert(1)</script>%PDF-1.7"
    async with running_app() as (client, _):
        answer = await client.post("/v1/score", content=polyglot, headers={"content-type": "image/jpeg"})
        as_page = await client.post("/v1/score", content=b"<script>" + face, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    assert "script" not in answer.text
    assert (as_page.status_code, as_page.headers["x-content-type-options"]) == (400, "nosniff")


async def test_a_bomb_is_refused_by_its_header(face: bytes) -> None:
    async with running_app() as (client, service):
        answer = await client.post("/v1/score", files={"image": bomb(60_000, 60_000)})
        assert answer.json()["type"] == "urn:facestats:problem:too-many-pixels"
        assert b'facestats_stage_seconds_count{stage="decode"}' not in service.metrics.exposition()
        assert (await client.post("/v1/score", files={"image": face})).status_code == 200


@pytest.mark.integration
async def test_poison_and_slow_uploads_hold_up_nobody(stack: Stack, face: bytes) -> None:
    settings = {"FACESTATS_TRITON_URLS": stack.grpc, "FACESTATS_UPLOAD_SECONDS": "2"}
    with GatewayProcess(settings) as gateway:
        head = b"POST /v1/score HTTP/1.1\r\nHost: test\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n"
        slow = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(20)]
        for connection in slow:
            connection.sendall(head + face[:100])
        async with traffic(gateway.url, face) as seen, httpx.AsyncClient(timeout=30) as client:
            for poison in (
                face[:20_000],
                bomb(60_000, 60_000),
                bomb(32, 32),
                b"\xff\xd8" * 999,
                face[:3] + b"\0" * 9999,
            ):
                answer = await client.post(
                    f"{gateway.url}/v1/score", content=poison, headers={"content-type": "image/jpeg"}
                )
                assert answer.status_code in (400, 413), answer.text
            await seen.until(200, 10)
        assert set(seen.statuses) == {200}
        for connection in slow:
            connection.settimeout(30)
            answer_head = await asyncio.to_thread(connection.recv, 4096)
            assert answer_head.startswith(b"HTTP/1.1 408")
            connection.close()
