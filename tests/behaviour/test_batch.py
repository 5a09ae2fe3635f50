"""A batch answers a line an image, whatever is wrong with one, and no faster than the client reads."""

from __future__ import annotations

import asyncio
import io
import json

import numpy as np
from PIL import Image

from facestats.deadline import Deadline
from facestats.faces.options import ScoreOptions
from facestats_gateway.batch import BatchScorer
from tests.asgi import running_app


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 90, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


async def test_every_image_gets_its_line_and_bad_ones_harm_no_other(face: bytes) -> None:
    images = [face, b"", b"no image", png(8), png(200), face[:9000], face]
    async with running_app(max_image_bytes=200_000) as (client, service):
        answer = await client.post("/v1/score/batch", files=[("images", image) for image in [*images, b"x" * 200_001]])
        alone = (await client.post("/v1/score", files={"image": face})).json()["faces"][0]["geometric"]["score"]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = {line["index"]: line for line in map(json.loads, answer.text.splitlines())}
    assert sorted(lines) == list(range(8))
    problems = {index: line["problem"]["type"].rpartition(":")[2] for index, line in lines.items() if "problem" in line}
    assert problems == {
        1: "empty-body",
        2: "not-an-image",
        3: "too-small",
        4: "no-face",
        5: "truncated-image",
        7: "too-many-bytes",
    }
    for index in (0, 6):
        assert lines[index]["faces"][0]["geometric"]["score"] == alone
    assert service.admission.requests == 0


async def test_too_many_images_and_none_are_refused_whole() -> None:
    async with running_app(max_batch_images=2) as (client, _):
        many = await client.post("/v1/score/batch", files=[("images", b"x")] * 3)
        assert (many.status_code, many.json()["type"].rpartition(":")[2]) == (413, "too-many-parts")
        none = await client.post("/v1/score/batch", files={"other": b"x"})
        assert (none.status_code, none.json()["type"].rpartition(":")[2]) == (400, "bad-request")


async def test_a_full_service_makes_a_running_batch_wait_but_refuses_a_new_request(face: bytes) -> None:
    async with running_app(max_requests_in_flight=1, batch_concurrency=4) as (client, service):
        answer = await client.post("/v1/score/batch", files=[("images", face)] * 5)
        assert [("faces" in json.loads(line)) for line in answer.text.splitlines()] == [True] * 5
        async with service.admission.admit(1, Deadline(10)):
            refused = await client.post("/v1/score/batch", files={"images": face})
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:facestats:problem:overloaded"


async def test_no_more_images_are_started_than_the_client_has_room_for(face: bytes) -> None:
    async with running_app() as (_, service):
        batch = BatchScorer(service.scorer, 2, service.metrics)
        lines = batch.lines([face] * 10, ScoreOptions(capture="fast"), Deadline(60))
        await anext(lines)
        # The client reads nothing more: the images begun come to their end, and no other begins.
        await asyncio.gather(*(task for task in asyncio.all_tasks() if "_line" in repr(task.get_coro())))
        assert b"facestats_faces_total" in service.metrics.exposition()
        assert faces_scored(service.metrics.exposition()) <= 3
        await lines.aclose()
        assert service.admission.requests == 0


def faces_scored(exposition: bytes) -> float:
    line = next(
        line for line in exposition.decode().splitlines() if line.startswith('facestats_faces_total{found="1"}')
    )
    return float(line.split()[-1])
