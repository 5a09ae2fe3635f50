"""An export in bf16, served by a real Triton through OpenVINO."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from facestats.models.openvino_sessions import has_bf16_units
from facestats_export.clip import load_clip
from facestats_export.drift import Figures
from facestats_export.graph import clip_module
from facestats_export.options import ExportOptions
from facestats_export.parity import TELLING_SPREAD, torch_answers
from facestats_export.regressor import untrained_regressor
from facestats_local_triton.server import TritonPorts
from tests.export.conftest import quietly
from tests.local_triton.triton_client import infer
from tests.stack import Stack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def repository(plain_options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tower's export, proved on a real Triton too."""
    if not has_bf16_units():
        pytest.skip("this processor has no units for bf16 (AVX-512 BF16 or AMX)")
    output = tmp_path_factory.mktemp("bf16") / "model_repository"
    report = quietly(ExportOptions(**(plain_options | {"compare_triton": True}), output=output, precision="bf16"))
    assert report.proof is not None
    assert [item.engine for item in report.proof.comparisons] == ["openvino", "triton, PIXELS", "triton, IMAGE"]
    assert report.proof.batch_dependence == 0
    return output


@pytest.fixture(scope="module")
def service(repository: Path) -> Iterator[Stack]:
    with Stack(repository) as running:
        yield running


def embedded(service: Stack, pixels: np.ndarray) -> dict[str, np.ndarray]:
    ports = TritonPorts(grpc=service.grpc_port, http=service.http_port, metrics=service.metrics_port)
    return infer(ports, "attractiveness", {"PIXELS": pixels})


def test_it_says_what_it_is_and_passes_its_golden_check(service: Stack) -> None:
    card = httpx.get(f"{service.url}/v1/model").json()
    assert (card["precision"], card["provenance"]["target"]) == ("bf16", "openvino")
    ready = httpx.get(f"{service.url}/readyz").json()
    assert ready["golden_check"] is True


def test_embeddings_are_bf16_s_and_close_to_pytorch_s(
    service: Stack, pixels: np.ndarray, plain_options: dict[str, Any]
) -> None:
    clip = load_clip(plain_options["weights"], print)
    embeddings, _ = torch_answers(clip_module(clip), untrained_regressor(), pixels)
    answer = embedded(service, pixels)
    distance = Figures.of(1 - (answer["EMBEDDING"].astype(np.float64) * embeddings).sum(1))
    assert distance.mean > 1e-7
    assert distance.worst < 1e-3
    assert np.ptp(answer["SCORE"]) > TELLING_SPREAD


def test_a_score_does_not_depend_on_its_neighbours(service: Stack, pixels: np.ndarray) -> None:
    together = embedded(service, pixels[:16])
    fives = [embedded(service, pixels[start : start + 5]) for start in (0, 5, 10)]
    alone = [embedded(service, pixels[index : index + 1]) for index in range(16)]
    for name in ("EMBEDDING", "RAW", "SCORE"):
        np.testing.assert_array_equal(np.concatenate([answer[name] for answer in alone]), together[name])
        np.testing.assert_array_equal(np.concatenate([answer[name] for answer in fives]), together[name][:15])


def test_a_photo_is_scored(service: Stack, face: bytes) -> None:
    answer = httpx.post(f"{service.url}/v1/score", files={"image": face}, timeout=60)
    assert answer.status_code == 200
    document = answer.json()
    assert document["model"]["precision"] == "bf16"
    assert 0 <= document["faces"][0]["holistic"]["score"] <= 100
