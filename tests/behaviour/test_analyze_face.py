"""The LooksmaxAI backend's call, as its app makes it."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.stack import Stack

pytestmark = pytest.mark.integration


def analyze(stack: Stack, front: bytes | None, side: bytes | None, gender: str = "Female") -> httpx.Response:
    files = {name: data for name, data in (("front_image", front), ("side_image", side)) if data is not None}
    named = {name: (f"{name}.jpg", data, "image/jpeg") for name, data in files.items()}
    return httpx.post(f"{stack.url}/api/analyze-face", files=named, data={"gender": gender}, timeout=60)


@pytest.fixture(scope="module")
def face(example_path: Path) -> bytes:
    return example_path.read_bytes()


@pytest.fixture(scope="module")
def nobody() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_psl_and_fields_are_the_score_s_own(stack: Stack, face: bytes) -> None:
    answer = analyze(stack, face, face)
    assert answer.status_code == 200, answer.text
    scored = httpx.post(f"{stack.url}/v1/score", params={"sex": "female"}, files={"image": face}, timeout=60)
    (expected,) = scored.json()["faces"]
    document = answer.json()
    assert document["overall"]["psl"] == pytest.approx(expected["score"], abs=0.06)
    tilt = next(metric for metric in expected["geometric"]["metrics"] if metric["name"] == "canthal_tilt")
    assert document["eyes"]["canthalTilt"] == pytest.approx(tilt["score"], abs=0.06)
    assert document["ascensionDate"] is None


def test_gender_changes_the_parameter_set(stack: Stack, face: bytes) -> None:
    tilts = {
        gender: analyze(stack, face, face, gender).json()["eyes"]["canthalTilt"] for gender in ("Male", "Female", "")
    }
    assert len(set(tilts.values())) == 3


@pytest.mark.parametrize("missing", ["front", "side", "both"])
def test_missing_images_are_named_as_that_backend_does(stack: Stack, face: bytes, missing: str) -> None:
    answer = analyze(stack, None if missing != "side" else face, None if missing != "front" else face)
    assert (answer.status_code, answer.json()) == (400, {"error": "Missing images"})


def test_photo_without_a_face_is_named(stack: Stack, face: bytes, nobody: bytes) -> None:
    answer = analyze(stack, nobody, face)
    assert (answer.status_code, answer.json()) == (400, {"error": "Face not detected in front image"})
    answer = analyze(stack, face, nobody)
    assert (answer.status_code, answer.json()) == (400, {"error": "Face not detected in side image"})


def test_file_that_is_no_photo_is_400(stack: Stack, face: bytes) -> None:
    answer = analyze(stack, face, b"not a photo")
    assert answer.status_code == 400
    assert "side image" in answer.json()["error"]
