"""Every face of a photo is measured, up to a limit, and all go to Triton in one call."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

import facestats.faces.measurer
from facestats.geometry import Geometry, GeometryError, measure
from facestats.holistic.backend import Holistic, HolisticState
from facestats.holistic.provenance import Provenance
from facestats.images.settings import MOST_FACES
from facestats.scoring.pipeline import Scorer
from facestats_gateway.settings import Settings
from tests.asgi import running_app


class CountingBackend:
    """Stands where Triton stands and answers each crop with its mean brightness."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        self.batches.append(len(pixels))
        brightness = pixels.mean((1, 2, 3)).astype(np.float32)
        return Holistic(brightness / 2.55, brightness, None, {})


class Ready:
    state = HolisticState(True, "", Provenance({"calibration": "test", "weights": "untrained"}))

    def report_unavailable(self, reason: str) -> None:
        raise AssertionError(reason)


@pytest.fixture(scope="module")
def two_faces(photo: NDArray[np.uint8]) -> bytes:
    """The same face twice, side by side: once large, once at 88 % and darker."""
    portrait = Image.fromarray(photo).crop((120, 0, 360, 240))
    sheet = Image.new("RGB", (760, 320), (128, 128, 128))
    sheet.paste(portrait.resize((320, 320)), (40, 0))
    sheet.paste(portrait.resize((280, 280)).point(lambda value: value * 0.6), (430, 20))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


async def test_all_faces_have_their_own_crop_and_score_from_one_call(two_faces: bytes) -> None:
    backend = CountingBackend()
    async with running_app(degrade="none") as (client, service):
        service.scorer = Scorer(service.measurer, backend, Ready(), service.design, service.admission, service.metrics)
        both = await client.post("/v1/score", files={"image": two_faces}, params={"faces": "all"})
        largest = await client.post("/v1/score", files={"image": two_faces})
    assert both.status_code == 200, both.text
    large, small = both.json()["faces"]
    assert backend.batches == [2, 1]
    assert large["box"][2] < 0.5 < small["box"][0]
    assert large["holistic"]["raw"] > small["holistic"]["raw"] + 20
    for face in (large, small):
        expected = 0.6 * face["geometric"]["score"] + 0.4 * face["holistic"]["score"]
        assert face["score"] == pytest.approx(expected, abs=0.011)
    (only,) = largest.json()["faces"]
    assert only["box"] == pytest.approx(large["box"], abs=0.02)


async def test_the_number_of_faces_is_limited(two_faces: bytes) -> None:
    async with running_app(max_faces=1) as (client, _):
        answer = await client.post("/v1/score", files={"image": two_faces}, params={"faces": "all"})
    assert len(answer.json()["faces"]) == 1


async def test_a_face_that_cannot_be_measured_leaves_the_others_theirs(
    two_faces: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Geometry] = []

    # Stands for landmarks that collapse: Face Mesh gives none such for a picture that could be kept here.
    def measure_second_only(*arguments: Any) -> Geometry:
        if not measured:
            measured.append(measure(*arguments))
            raise GeometryError("The landmarks are degenerate: two of them coincide.")
        return measure(*arguments)

    monkeypatch.setattr(facestats.faces.measurer, "measure", measure_second_only)
    async with running_app() as (client, _):
        both = await client.post("/v1/score", files={"image": two_faces}, params={"faces": "all"})
        measured.clear()
        largest = await client.post("/v1/score", files={"image": two_faces})
    (only,) = both.json()["faces"]
    assert only["box"][0] > 0.5
    assert only["geometric"]["score"] != pytest.approx(measured[0].score, abs=0.01)
    assert (largest.status_code, largest.json()["type"]) == (422, "urn:facestats:problem:unusable-face")


def test_no_more_faces_may_be_allowed_than_triton_takes_in_one_call(root: Path) -> None:
    for config in root.glob("model_repository/*/config.pbtxt"):
        (batch,) = re.findall(r"^max_batch_size: (\d+)$", config.read_text(), re.MULTILINE)
        assert int(batch) >= MOST_FACES, config
    with pytest.raises(ValidationError):
        Settings(max_faces=MOST_FACES + 1)
