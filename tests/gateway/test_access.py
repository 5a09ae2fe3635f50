"""Keys are hashed, several and named; callers past their rate are refused."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from facestats.deadline import Deadline
from facestats.problems import Problem
from facestats_gateway.access import AccessControl, new_api_key, parse_api_keys, parse_rate_limit
from facestats_gateway.settings import Settings
from tests.asgi import running_app


def test_made_keys_are_random_accepted_and_stored_as_hashes_only() -> None:
    (first, first_entry), (second, second_entry) = new_api_key("web"), new_api_key("phone")
    assert first != second
    assert first not in first_entry
    access = AccessControl(parse_api_keys(f"{first_entry}, {second_entry}"), None)
    assert access.identify(first, "10.0.0.1") == "key:web"
    assert access.identify(second, "10.0.0.1") == "key:phone"


@pytest.mark.parametrize("presented", [None, "", "fs_wrong", "näh", "\udcff"])
def test_other_keys_are_refused(presented: str | None) -> None:
    access = AccessControl(parse_api_keys(new_api_key("web")[1]), None)
    with pytest.raises(Problem) as refusal:
        access.identify(presented, "10.0.0.1")
    assert refusal.value.code == "unauthorized"


def test_without_keys_everybody_may_call() -> None:
    assert AccessControl((), None).identify(None, "10.0.0.1") == "address:10.0.0.1"


@pytest.mark.parametrize("text", ["secret", "name:abc", f"a b:{'0' * 64}", f"x:{'0' * 64},x:{'1' * 64}"])
def test_malformed_entries_are_refused_at_start_without_being_repeated(text: str) -> None:
    with pytest.raises(ValidationError) as error:
        Settings(api_keys=text)
    message = error.value.errors(include_input=False)[0]["msg"]
    assert text not in message


def test_a_wrong_rate_is_refused_at_start() -> None:
    with pytest.raises(ValidationError):
        Settings(rate_limit="lots")


async def test_rates_are_counted_for_each_caller_in_photos() -> None:
    access = AccessControl((), parse_rate_limit("5/minute"))
    await access.charge("key:a", 5)
    with pytest.raises(Problem) as refusal:
        await access.charge("key:a")
    assert refusal.value.code == "rate-limited"
    assert refusal.value.retry_after is not None
    assert 1 <= refusal.value.retry_after <= 61
    await access.charge("key:b")


async def test_keys_over_http(face: bytes) -> None:
    key = "fs_example"
    entry = f"web:{hashlib.sha256(key.encode()).hexdigest()}"
    body = {"image": face}
    async with running_app(api_keys=entry, rate_limit="2/hour") as (client, _):
        refused = await client.post("/v1/score", files=body)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["type"] == "urn:facestats:problem:unauthorized"
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            answer = await client.post("/v1/score", files=body, headers=headers)
            assert answer.status_code == 200, answer.text
        limited = await client.post("/v1/score/batch", files={"images": body["image"]}, headers={"X-API-Key": key})
        assert limited.status_code == 429
        assert int(limited.headers["retry-after"]) > 1000
        for path in ("/healthz", "/metrics", "/v1/model", "/"):
            assert (await client.get(path)).status_code == 200, path


async def test_cors_is_off_unless_configured() -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with running_app() as (client, _):
        answer = await client.options("/v1/score", headers=preflight)
        assert "access-control-allow-origin" not in answer.headers
    async with running_app(cors_origins="https://app.example") as (client, _):
        answer = await client.options("/v1/score", headers=preflight)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        other = await client.options("/v1/score", headers=preflight | {"Origin": "https://else.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_more_photos_than_the_rate_ever_allows_are_refused_for_good_and_cost_nothing(face: bytes) -> None:
    images = [("images", ("a.jpg", face))]
    async with running_app(rate_limit="2/hour") as (client, _):
        refused = await client.post("/v1/score/batch", files=images * 3)
        assert (refused.status_code, refused.json()["type"]) == (413, "urn:facestats:problem:too-many-parts")
        assert "2 photos in 3600 s" in refused.json()["detail"]
        assert "retry-after" not in refused.headers
        assert (await client.post("/v1/score/batch", files=images * 2)).status_code == 200
        assert (await client.post("/v1/score/batch", files=images)).status_code == 429
    async with running_app(rate_limit="1/hour") as (client, _):
        refused = await client.post("/api/analyze-face", files={"front_image": face, "side_image": face})
        assert refused.status_code == 413


@pytest.mark.parametrize(
    ("path", "field", "photos"),
    [("/v1/score", "image", 1), ("/v1/score/batch", "images", 2), ("/v1/score/person", "images", 2)],
)
async def test_every_route_is_charged_for_the_photos_it_takes(face: bytes, path: str, field: str, photos: int) -> None:
    async with running_app(rate_limit="4/hour") as (client, _):
        for _ in range(4 // photos):
            answer = await client.post(f"{path}?capture=fast", files=[(field, ("a.jpg", face))] * photos)
            assert answer.status_code == 200, answer.text
        assert (await client.post("/v1/score", files={"image": face})).status_code == 429


async def test_what_is_refused_for_load_costs_no_quota(face: bytes) -> None:
    async with running_app(rate_limit="1/hour", max_requests_in_flight=1) as (client, service):
        async with service.admission.admit(1, Deadline(60)):
            refused = await client.post("/v1/score", files={"image": face})
            assert refused.json()["type"].endswith("overloaded")
        assert (await client.post("/v1/score", files={"image": face})).status_code == 200
