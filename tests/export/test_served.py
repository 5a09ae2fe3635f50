"""An export in service: scores reproduced independently, versions changed under load, faults found by the service."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from facestats.holistic.provenance import NO_SCORE
from facestats.models.repository import ENCODER, REGRESSOR, live_version
from facestats_export.checkpoints import load_regressor
from facestats_export.graph import regressor_graph
from facestats_export.parity import TELLING_SPREAD
from facestats_export.photos import parity_files
from facestats_export.regressor import Layer
from facestats_local_triton.server import TritonPorts
from tests.export.conftest import quietly, spread_options
from tests.export.spread_tower import SpreadTower, write_spread_tower
from tests.local_triton.triton_client import infer
from tests.stack import Stack
from tests.traffic import traffic

pytestmark = pytest.mark.integration

PATIENCE = 60.0
"""Seconds that Triton and the gateway have to notice a change."""


@pytest.fixture(scope="module")
def repository(tower: SpreadTower, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spread tower's export, proved on a real Triton too."""
    output = tmp_path_factory.mktemp("served") / "model_repository"
    report = quietly(spread_options(tower, output, compare_triton=True))
    assert report.proof is not None
    assert [item.engine for item in report.proof.comparisons] == ["onnxruntime", "triton, PIXELS", "triton, IMAGE"]
    assert all(item.score.worst <= 0.05 for item in report.proof.comparisons)
    assert report.proof.decoder_difference == 0
    return output


@pytest.fixture(scope="module")
def service(repository: Path) -> Iterator[Stack]:
    settings = {"FACESTATS_TRITON_CHECK_SECONDS": "0.3", "FACESTATS_GOLDEN_CHECK_SECONDS": "0.5"}
    with Stack(repository, settings) as running:
        yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The example photo in other lights, large enough for a face to be found: [6] PNG files."""
    folder = tmp_path_factory.mktemp("photos")
    example = Image.open(io.BytesIO(parity_files(None)[0]))
    paths = []
    for index, (light, turn) in enumerate(((1.0, 0), (0.5, 0), (1.5, 0), (0.8, 12), (1.2, -12), (0.35, 5))):
        changed = example.point(lambda value, light=light: min(255, int(value * light))).rotate(turn)
        paths.append(folder / f"{index}.png")
        changed.save(paths[-1])
    return paths


def triton(service: Stack) -> TritonPorts:
    return TritonPorts(grpc=service.grpc_port, http=service.http_port, metrics=service.metrics_port)


def until(condition: Callable[[], bool]) -> None:
    """Polls the service for a change it makes by itself."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing changed"
        time.sleep(0.1)


def card(service: Stack) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{service.url}/v1/model").json()
    return answer


def ready(service: Stack) -> httpx.Response:
    return httpx.get(f"{service.url}/readyz")


def score(service: Stack, photo: Path, **query: str) -> dict[str, Any]:
    answer = httpx.post(f"{service.url}/v1/score", params=query, files={"image": photo.read_bytes()}, timeout=60)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.fixture
def live(service: Stack, repository: Path) -> Iterator[dict[str, Any]]:
    """What the service says of itself; whatever a test publishes is taken back afterwards."""
    before, version = card(service), live_version(repository)
    yield before
    if live_version(repository) != version:
        command = [sys.executable, "-m", "facestats_cli", "rollback", "--repository", str(repository)]
        subprocess.run(command, check=True, capture_output=True)
    until(lambda: card(service)["receipt"] == before["receipt"] and ready(service).status_code == 200)


def test_an_independent_script_gets_the_same_scores(
    service: Stack, tower: SpreadTower, photos: list[Path], root: Path
) -> None:
    command = [
        *(sys.executable, str(root / "tests" / "export" / "independent_score.py"), "--clip", str(tower.snapshot)),
        *("--regressor", str(tower.regressor), "--quantiles", str(tower.calibration), *map(str, photos)),
    ]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    independent = [json.loads(line) for line in lines]
    expected = np.array([one["score"] for one in independent])
    assert np.ptp(expected) > TELLING_SPREAD
    assert expected.min() > 0
    assert expected.max() < 100
    faces = [score(service, photo, crop="full", include="embedding")["faces"][0] for photo in photos]
    np.testing.assert_allclose([face["holistic"]["score"] for face in faces], expected, atol=0.05)
    by_file = infer(
        triton(service), "attractiveness_image", {"IMAGE": np.array([[photo.read_bytes()] for photo in photos], object)}
    )
    np.testing.assert_allclose(by_file["SCORE"][:, 0], expected, atol=0.05)
    for one, embedding, face in zip(independent, by_file["EMBEDDING"], faces, strict=True):
        assert float(np.dot(one["embedding"], embedding)) >= 0.9999
        assert float(np.dot(one["embedding"], face["embedding"])) >= 0.9999


async def test_a_version_goes_live_and_back_under_load_without_a_failed_request(
    service: Stack, repository: Path, photos: list[Path], live: dict[str, Any], tmp_path: Path
) -> None:
    other = write_spread_tower(tmp_path, seed=1)
    photo = photos[0].read_bytes()
    async with traffic(service.url, photo, concurrency=8) as seen:
        await seen.until(200, 16)
        assert len(rounded(seen.scores)) == 1
        report = await asyncio.to_thread(quietly, spread_options(other, repository))
        assert not report.skipped
        await asyncio.to_thread(until, lambda: card(service)["receipt"] != live["receipt"])
        await seen.until(200, 16)
        both = rounded(seen.scores)
        command = [sys.executable, "-m", "facestats_cli", "rollback", "--repository", str(repository)]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        await asyncio.to_thread(until, lambda: card(service)["receipt"] == live["receipt"])
        seen.scores.clear()
        await seen.until(200, 24)
        last = rounded(seen.scores)
    assert seen.failures == []
    assert set(seen.statuses) == {200}
    # A score of one version's encoder and the other's regressor would be a third one.
    assert len(both) == 2, both
    assert max(both) - min(both) > 0.4 * TELLING_SPREAD, "the two versions could not be told apart"
    assert last <= both


def rounded(scores: set[float]) -> set[float]:
    """To a tenth of a point: batches of other sizes may differ in the last digit."""
    return {round(score, 1) for score in scores}


def test_a_changed_file_is_found_by_the_service_itself(
    service: Stack, repository: Path, tower: SpreadTower, photos: list[Path], live: dict[str, Any]
) -> None:
    assert ready(service).json()["golden_check"] is True
    path = repository / REGRESSOR / str(live_version(repository)) / "model.onnx"
    good = path.read_bytes()
    first, *others = load_regressor(tower.regressor).layers
    wrong = regressor_graph([Layer(first.weight * np.float32(1.5), first.bias), *others], None)
    path.write_bytes(wrong.SerializeToString())
    try:
        until(lambda: ready(service).status_code == 503)
        until(lambda: "Golden check failed" in ready(service).json()["reason"])
        assert ready(service).json()["golden_check"] is False
        assert "the export computed" in ready(service).json()["reason"]
        refused = httpx.post(f"{service.url}/v1/score", files={"image": photos[0].read_bytes()}, timeout=60)
        assert refused.status_code == 503
        assert httpx.get(f"{service.url}/healthz").status_code == 200
    finally:
        path.write_bytes(good)
    until(lambda: ready(service).status_code == 200)


def test_a_changed_tower_is_found_by_its_embedding(
    service: Stack, repository: Path, live: dict[str, Any], tmp_path: Path
) -> None:
    from facestats_export.clip import load_clip
    from facestats_export.graph import export_clip
    from facestats_export.tower import ServedTower

    other = write_spread_tower(tmp_path, seed=2)
    path = repository / ENCODER / str(live_version(repository)) / "model.onnx"
    good = path.read_bytes()
    path.write_bytes(export_clip(ServedTower(load_clip(str(other.snapshot), print))).SerializeToString())
    try:
        until(lambda: "the embedding's cosine" in ready(service).json()["reason"])
    finally:
        path.write_bytes(good)
    until(lambda: ready(service).status_code == 200)


def test_without_a_calibration_there_is_no_score_anywhere(
    service: Stack, repository: Path, tower: SpreadTower, photos: list[Path], live: dict[str, Any]
) -> None:
    quietly(spread_options(tower, repository, calibration=None, uncalibrated=True))
    until(lambda: card(service)["calibration"] == "none")
    until(lambda: ready(service).status_code == 200)
    photo = photos[0].read_bytes()
    document = score(service, photos[0])
    assert_unblended(document)
    (line,) = httpx.post(f"{service.url}/v1/score/batch", files={"images": photo}, timeout=60).text.splitlines()
    assert_unblended(json.loads(line))
    both = {"front_image": photo, "side_image": photo}
    looks = httpx.post(f"{service.url}/api/analyze-face", files=both, timeout=60)
    assert (looks.status_code, list(looks.json())) == (503, ["error"])
    command = [sys.executable, "-m", "facestats_cli", "score", str(photos[0]), "--url", service.url]
    table = subprocess.run(command, check=True, capture_output=True, text=True)
    # Lines are folded at 80 columns, wherever the path's length puts that.
    said = " ".join(table.stdout.split())
    assert "score - = 0.6 x geometric" in said
    assert "no calibration" in said
    answer = infer(triton(service), "attractiveness_image", {"IMAGE": np.array([[photo]], object)})
    assert (answer["SCORE"] == NO_SCORE).all()
    assert np.isfinite(answer["RAW"]).all()


def assert_unblended(document: dict[str, Any]) -> None:
    (face,) = document["faces"]
    assert face["score"] is None
    assert face["holistic"]["score"] is None
    assert face["holistic"]["raw"] > 0
    assert face["geometric"]["score"] > 0
    assert document["model"]["calibration"] == "none"
    assert any("no calibration" in notice for notice in document["notices"])


@pytest.fixture(scope="module")
def own_head(embeddings: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pickled pipeline that tells some of the example's disguises from the others."""
    values = embeddings @ np.random.default_rng(5).standard_normal(512)
    bright = np.where(values > np.median(values), "bright", "dark")
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(embeddings.astype(np.float64), bright)
    path = tmp_path_factory.mktemp("head") / "light.pkl"
    joblib.dump(estimator, path)
    return path


@pytest.mark.parametrize("which", ["own", "published"])
def test_attribute_heads_are_served_only_when_asked_for(
    which: str,
    service: Stack,
    repository: Path,
    tower: SpreadTower,
    photos: list[Path],
    live: dict[str, Any],
    own_head: Path,
    request: pytest.FixtureRequest,
) -> None:
    assert score(service, photos[0])["faces"][0]["holistic"].get("attributes") is None
    heads = {"light": own_head}
    if which == "published":
        heads["gender"] = request.getfixturevalue("shared_dir") / "facestats" / "gender_clf.pkl"
    quietly(spread_options(tower, repository, attributes=heads, trust_pickle=True))
    until(lambda: card(service)["receipt"] != live["receipt"])
    until(lambda: ready(service).status_code == 200)
    files = np.array([[photo.read_bytes()] for photo in photos], object)
    answer = infer(triton(service), "attractiveness_image", {"IMAGE": files})
    for name, path in heads.items():
        check_head(joblib.load(path), answer, name.upper())
    labels = [label.decode() for label in answer["LIGHT_LABEL"][:, 0]]
    assert set(labels) == {"bright", "dark"}, "one label for all could not be wrong"
    damaged = np.array([[b"no image"], [files[0, 0]]], object)
    beside = infer(triton(service), "attractiveness_image", {"IMAGE": damaged})
    assert [label.decode() for label in beside["LIGHT_LABEL"][:, 0]] == ["", labels[0]]
    assert (beside["LIGHT_PROBABILITY"][0] == -1).all()
    (face,) = score(service, photos[0], crop="full")["faces"]
    said = face["holistic"]["attributes"]
    assert said.keys() == {name.upper() for name in heads}
    assert said["LIGHT"]["label"] == labels[0]
    assert list(said["LIGHT"]["probability"]) == ["bright", "dark"]
    np.testing.assert_allclose(list(said["LIGHT"]["probability"].values()), answer["LIGHT_PROBABILITY"][0], atol=1e-4)


def check_head(estimator: Any, answer: dict[str, np.ndarray], name: str) -> None:
    expected = estimator.predict_proba(answer["EMBEDDING"].astype(np.float64))
    np.testing.assert_allclose(answer[f"{name}_PROBABILITY"], expected, atol=1e-4)
    labels = [label.decode() for label in answer[f"{name}_LABEL"][:, 0]]
    assert labels == list(estimator.predict(answer["EMBEDDING"].astype(np.float64)).astype(str))


def test_calibrate_measures_the_running_service(
    service: Stack, repository: Path, tower: SpreadTower, photos: list[Path], live: dict[str, Any], tmp_path: Path
) -> None:
    folder = photos[0].parent
    command = [
        *(
            sys.executable,
            "-m",
            "facestats_cli",
            "calibrate",
            "--images",
            str(folder),
            "--name",
            "lights",
            "--least",
            "3",
        ),
        *("--output", str(tmp_path / "lights.json"), "--url", service.url, "--source", "the example in other lights"),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "lights.json").read_text())
    raw = np.array([score(service, photo)["faces"][0]["holistic"]["raw"] for photo in photos])
    assert np.ptp(raw) > 0
    assert (document["name"], document["count"]) == ("lights", len(photos))
    assert document["source"] == "the example in other lights"
    assert f"sha256:{document['regressor_sha256']}" == live["regressor"]
    assert len(document["quantiles"]) == 101
    np.testing.assert_allclose([document["quantiles"][0], document["quantiles"][-1]], [raw.min(), raw.max()], atol=1e-5)
    quietly(spread_options(tower, repository, calibration=tmp_path / "lights.json"))
    until(lambda: card(service)["calibration"] == "lights")
    until(lambda: ready(service).status_code == 200)
    scores = np.array([score(service, photo)["faces"][0]["holistic"]["score"] for photo in photos])
    assert np.ptp(scores) > TELLING_SPREAD
    expected = np.interp(raw, document["quantiles"], np.arange(101))
    np.testing.assert_allclose(scores, expected, atol=0.1)
