"""Several photos of one person: averaged robustly, each accounted for, refused as a whole only if none helps."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from facestats_client import AsyncFaceStatsClient, FaceStatsClient, NoFaceError, ScoreOptions

pytestmark = pytest.mark.integration


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photos(face: bytes) -> list[bytes]:
    """The example, mirrored, darker and smaller: what four photos of one person are like at best."""
    with Image.open(io.BytesIO(face)) as image:
        image.load()
    return [
        face,
        encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        encoded(ImageEnhance.Brightness(image).enhance(0.8)),
        encoded(image.resize((420, 420))),
    ]


@pytest.fixture(scope="module")
def landscape() -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)))


def ask(url: str, images: list[bytes], **query: str) -> httpx.Response:
    files = [("images", (f"{number}.jpg", image, "image/jpeg")) for number, image in enumerate(images)]
    return httpx.post(f"{url}/v1/score/person", files=files, params=query, timeout=60)


def test_photos_together_are_surer_than_one(gateway_url: str, face: bytes, photos: list[bytes]) -> None:
    person = ask(gateway_url, photos).raise_for_status().json()
    alone = httpx.post(
        f"{gateway_url}/v1/score", content=face, headers={"Content-Type": "image/jpeg"}, timeout=60
    ).json()["faces"][0]["geometric"]
    scores = [photo["geometric"] for photo in person["photos"]]
    assert min(scores) <= person["geometric"]["score"] <= max(scores)
    assert width(person["geometric"]["interval"]) < width(alone["interval"])
    assert [photo["used"] for photo in person["photos"]] == [True] * 4
    assert sum(photo["weight"] for photo in person["photos"]) == pytest.approx(1, abs=0.01)
    blend, weights = person["score"], person["blend"]
    holistic = person["holistic"]["score"]
    assert blend == pytest.approx(
        weights["geometric"] * person["geometric"]["score"] + weights["holistic"] * holistic, abs=0.02
    )


def width(interval: dict[str, float]) -> float:
    return interval["high"] - interval["low"]


def test_photos_that_do_not_help_are_left_out_with_their_reason(
    gateway_url: str, photos: list[bytes], landscape: bytes
) -> None:
    with Image.open(io.BytesIO(photos[0])) as image:
        tiny = encoded(image.resize((190, 190)))
    person = ask(gateway_url, [*photos[:2], landscape, tiny]).raise_for_status().json()
    assert [photo["used"] for photo in person["photos"]] == [True, True, False, False]
    without_face, too_small = person["photos"][2:]
    assert without_face["reason"].startswith("No face was found")
    assert without_face["geometric"] is None
    assert "does not support a score" in too_small["reason"]
    assert too_small["weight"] == 0


def test_no_usable_photo_is_one_problem_that_names_each(gateway_url: str, landscape: bytes) -> None:
    answer = ask(gateway_url, [landscape, landscape])
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:facestats:problem:no-usable-photo"
    assert "Photo 1: No face was found" in problem["detail"]
    assert "Photo 2:" in problem["detail"]


@pytest.mark.parametrize(("count", "status"), [(1, 400), (13, 413)])
def test_too_few_and_too_many_photos_are_refused(gateway_url: str, face: bytes, count: int, status: int) -> None:
    answer = ask(gateway_url, [face] * count)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_client_scores_a_person(gateway_url: str, photos: list[bytes], landscape: bytes) -> None:
    with FaceStatsClient(gateway_url) as client:
        person = client.score_person(photos[:2], ScoreOptions(sex="female"))
        assert person.geometric.interval is not None
        assert person.geometric.interval.low < person.geometric.score < person.geometric.interval.high
        with pytest.raises(NoFaceError):
            client.score_person([landscape, landscape])
        with pytest.raises(ValueError, match="use score for those"):
            client.score_person(photos[:2], ScoreOptions(faces="all"))


async def test_the_asynchronous_client_too(gateway_url: str, photos: list[bytes]) -> None:
    async with AsyncFaceStatsClient(gateway_url) as client:
        assert len((await client.score_person(photos[:2])).photos) == 2


def test_an_interval_stands_beside_every_known_score(gateway_url: str, face: bytes) -> None:
    answer: dict[str, Any] = httpx.post(
        f"{gateway_url}/v1/score", content=face, headers={"Content-Type": "image/jpeg"}, timeout=60
    ).json()
    (found,) = answer["faces"]
    interval = found["geometric"]["interval"]
    assert interval["low"] < found["geometric"]["score"] < interval["high"]
    # The shipped data knows no served model's holistic half, and nothing guesses it.
    assert found["holistic"]["interval"] is None
    assert found["interval"] is None
    assert answer["faces_found"] == 1
    assert found["quality"]["factors"]["sharpness"] == 1
