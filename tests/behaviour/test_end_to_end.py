"""A photo goes in over HTTP, a 60/40 score comes out, with a real Triton behind."""

from __future__ import annotations

import asyncio
import base64
import math
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.stack import Stack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def document(stack: Stack, example_path: Path) -> dict:
    answer = httpx.post(f"{stack.url}/v1/score", files={"image": example_path.read_bytes()}, timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_score_is_the_blend_of_its_halves(document: dict) -> None:
    (face,) = document["faces"]
    geometric, holistic = face["geometric"]["score"], face["holistic"]["score"]
    assert abs(geometric - holistic) > 1, "equal halves could not tell a wrong blend"
    assert face["blend"] == {"geometric": 0.6, "holistic": 0.4}
    assert face["score"] == pytest.approx(0.6 * geometric + 0.4 * holistic, abs=0.011)


def test_document_has_the_contract_s_parts(document: dict) -> None:
    (face,) = document["faces"]
    assert set(face["geometric"]["groups"]) == {"eyes", "midface", "lower_third", "upper_third", "overall"}
    metric = next(metric for metric in face["geometric"]["metrics"] if metric["name"] == "canthal_tilt")
    assert metric["group"] == "eyes"
    assert metric["unit"] == "deg"
    assert 0 <= metric["score"] <= 100
    left, top, right, bottom = face["box"]
    # The astronaut's face, as a person would mark it on the photo.
    np.testing.assert_allclose([left, top, right, bottom], [0.35, 0.14, 0.53, 0.35], atol=0.03)
    assert abs(face["pose"]["yaw"]) < 30
    assert face["quality"]["level"] in ("good", "fair", "poor")
    assert {"decode", "landmarks", "triton", "total"} <= set(document["timing_ms"])
    assert document["model"]["receipt"].startswith("sha256:")


@pytest.mark.parametrize("form", ["raw", "json"])
def test_other_body_forms_give_the_same_score(form: str, stack: Stack, example_path: Path, document: dict) -> None:
    data = example_path.read_bytes()
    if form == "raw":
        answer = httpx.post(f"{stack.url}/v1/score", content=data, headers={"content-type": "image/jpeg"}, timeout=60)
    else:
        answer = httpx.post(f"{stack.url}/v1/score", json={"image": base64.b64encode(data).decode()}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["faces"][0]["score"] == pytest.approx(document["faces"][0]["score"], abs=0.02)


def test_options_change_what_they_say(stack: Stack, example_path: Path, document: dict) -> None:
    answer = httpx.post(
        f"{stack.url}/v1/score",
        params={"crop": "full", "sex": "female", "capture": "fast", "include": "landmarks,embedding,overlay"},
        files={"image": example_path.read_bytes()},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    (face,) = answer.json()["faces"]
    assert face["holistic"]["crop"] == "full"
    assert face["holistic"]["raw"] != document["faces"][0]["holistic"]["raw"]
    assert face["geometric"]["sex"] == "female"
    assert len(face["landmarks"]) == 478
    assert math.isclose(np.linalg.norm(face["embedding"]), 1.0, abs_tol=1e-3)
    assert base64.b64decode(face["overlay"].partition(",")[2])[:2] == b"\xff\xd8"


def test_model_and_readiness(stack: Stack, document: dict) -> None:
    card = httpx.get(f"{stack.url}/v1/model").json()
    assert card["receipt"] == document["model"]["receipt"]
    assert card["calibration"] == document["model"]["calibration"] != "unknown"
    ready = httpx.get(f"{stack.url}/readyz")
    assert ready.status_code == 200
    assert ready.json()["golden_check"] is True
    assert httpx.get(f"{stack.url}/healthz").json() == {"status": "ok"}


def test_concurrent_requests_are_batched_in_triton(stack: Stack, example_path: Path) -> None:
    data = example_path.read_bytes()

    def executions() -> tuple[int, int]:
        statistics = httpx.get(f"http://{stack.http}/v2/models/clip_image_encoder/stats").json()["model_stats"][-1]
        return int(statistics["execution_count"]), int(statistics["inference_count"])

    async def send() -> list[int]:
        async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=64)) as client:
            answers = await asyncio.gather(
                *(
                    client.post(f"{stack.url}/v1/score", params={"capture": "fast"}, files={"image": data})
                    for _ in range(64)
                )
            )
        return [answer.status_code for answer in answers]

    before = executions()
    assert asyncio.run(send()) == [200] * 64
    after = executions()
    assert after[1] - before[1] >= 64
    assert after[0] - before[0] <= 32


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"this is not an image", 400, "not-an-image"),
        (b"", 400, "empty-body"),
        (b"\xff" * 30_000_000, 413, "too-many-bytes"),
    ],
    ids=["not-an-image", "empty", "too-large"],
)
def test_bad_input_is_a_problem_document(stack: Stack, data: bytes, status: int, code: str) -> None:
    answer = httpx.post(f"{stack.url}/v1/score", content=data, headers={"content-type": "image/jpeg"}, timeout=60)
    assert_problem(answer, status, code)


def test_truncated_and_faceless_photos_are_problem_documents(stack: Stack, example_path: Path) -> None:
    truncated = example_path.read_bytes()[:20_000]
    headers = {"content-type": "image/jpeg"}
    assert_problem(
        httpx.post(f"{stack.url}/v1/score", content=truncated, headers=headers, timeout=60), 400, "truncated-image"
    )
    landscape = faceless_png()
    assert_problem(httpx.post(f"{stack.url}/v1/score", content=landscape, headers=headers, timeout=60), 422, "no-face")


def test_wrong_parameters_and_addresses_are_problem_documents(stack: Stack, example_path: Path) -> None:
    body = {"image": example_path.read_bytes()}
    assert_problem(httpx.post(f"{stack.url}/v1/score", params={"crop": "half"}, files=body), 400, "bad-parameter")
    assert_problem(httpx.post(f"{stack.url}/v1/score", params={"include": "soul"}, files=body), 400, "bad-parameter")
    assert_problem(httpx.get(f"{stack.url}/v1/nothing"), 404, "not-found")
    assert_problem(httpx.get(f"{stack.url}/v1/score"), 405, "method-not-allowed")


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["type"] == f"urn:facestats:problem:{code}"
    assert problem["status"] == status
    assert problem["detail"].endswith(".")
    assert "Traceback" not in answer.text


def faceless_png() -> bytes:
    import io

    from PIL import Image

    gradient = np.linspace(0, 255, 320 * 240 * 3).reshape(240, 320, 3).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(gradient).save(buffer, "PNG")
    return buffer.getvalue()
