"""From rated photos through the running service to a served regressor that says what it was trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from facestats.models.repository import ENSEMBLES, read_parameters
from tests.export.conftest import quietly, spread_options
from tests.export.spread_tower import SpreadTower, write_spread_tower
from tests.stack import Stack
from tests.training.rated_photos import write_rated_photos

pytestmark = pytest.mark.integration

PHOTOS = 40


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> SpreadTower:
    return write_spread_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture(scope="module")
def served(tower: SpreadTower, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service with a tower whose embeddings differ."""
    output = tmp_path_factory.mktemp("served") / "model_repository"
    quietly(spread_options(tower, output))
    with Stack(output, settings={"FACESTATS_TRITON_CHECK_SECONDS": "1"}) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``photos/`` and ``ratings.csv``, one photo without a face among them."""
    folder = tmp_path_factory.mktemp("rated")
    ratings = write_rated_photos(folder, PHOTOS)
    ratings.write_text(ratings.read_text() + "absent.jpg,5,first,female,morning\n")
    return folder


def facestats(folder: Path, *arguments: object, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facestats_cli", *map(str, arguments)]
    environment = os.environ | {"FACESTATS_URL": url, "FACESTATS_WEIGHTS": "untrained"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)


def train(folder: Path, url: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return facestats(
        folder, "train", "ratings.csv", "--images", "photos", "--least", 30, "--out", "out", *arguments, url=url
    )


@pytest.fixture(scope="module")
def report(folder: Path, served: Stack) -> dict[str, Any]:
    done = train(folder, served.url)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return found


def test_photos_are_learnt_from_as_they_are_served(report: dict[str, Any]) -> None:
    assert report["n"] == PHOTOS
    assert report["verdict"] == "learnt"
    assert report["out_of_fold"]["r_within_sex"] > 0.4, "brightness is easily seen"
    assert 0.7 < report["raters"]["mean"] < 1
    assert report["raters"]["ratings"] == 2 * PHOTOS
    assert len(report["blend"]) == 11
    assert any("absent.jpg" in sentence for sentence in report["warnings"])


def test_what_was_seen_is_not_asked_for_again(folder: Path, served: Stack, report: dict[str, Any]) -> None:
    memory = folder / "out" / "embeddings.jsonl"
    lines = memory.read_text().splitlines(keepends=True)
    assert len(lines) == PHOTOS
    before = (folder / "out" / "regressor.pt").read_bytes()
    # As a run leaves it that was killed while it wrote.
    memory.write_text("".join(lines[:-1]) + lines[-1][:50])
    done = train(folder, served.url)
    assert done.returncode == 0, done.stderr
    assert len(memory.read_text().splitlines()) == PHOTOS + 1, "one was asked for again"
    assert (folder / "out" / "regressor.pt").read_bytes() == before


def test_the_published_regressor_says_what_it_was_trained_on(
    folder: Path, tower: SpreadTower, served: Stack, report: dict[str, Any]
) -> None:
    """`--publish` into the repository that is being served; then evaluation through the service."""
    before = httpx.get(f"{served.url}/v1/model").json()
    assert before["training"] is None
    done = train(folder, served.url, "--publish", "--repository", served.repository, "--weights", tower.snapshot)
    assert done.returncode == 0, done.stderr
    parameters = read_parameters(served.repository / ENSEMBLES[0])
    assert parameters["training"] == report["statement"]
    assert parameters["regressor"] == f"sha256:{report['regressor_sha256']}"
    assert parameters["calibration"] == f"ratings-{PHOTOS}"
    with Stack(served.repository) as renewed:
        card = httpx.get(f"{renewed.url}/v1/model").json()
        assert card["training"] == report["statement"]
        assert card["receipt"] != before["receipt"]
        photo = (folder / "photos" / "000.jpg").read_bytes()
        answer = httpx.post(f"{renewed.url}/v1/score", files={"image": photo}, timeout=60).raise_for_status().json()
        assert answer["model"]["training"] == report["statement"]
        assert 0 <= answer["faces"][0]["holistic"]["score"] <= 100
        means = folder / "means.csv"
        rows = [line.split(",") for line in (folder / "ratings.csv").read_text().splitlines()[1 : 2 * PHOTOS + 1 : 2]]
        means.write_text("filename,rating\n" + "".join(f"{row[0]},{row[1]}\n" for row in rows))
        done = facestats(
            folder, "evaluate", "--images", "photos", "--ratings", "means.csv", "--out", "evaluation", url=renewed.url
        )
        assert done.returncode == 0, done.stderr
    evaluation = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    assert evaluation["model"]["training"] == report["statement"]
    assert evaluation["kinds"]["holistic"]["overall"]["pearson"]["value"] > 0.4


def test_a_worthless_regressor_is_not_published(folder: Path, served: Stack, report: dict[str, Any]) -> None:
    """The same photos with their ratings dealt out anew."""
    lines = (folder / "ratings.csv").read_text().splitlines()
    names, others = zip(*(line.split(",", 1) for line in lines[1 : 2 * PHOTOS + 1]), strict=True)
    # Both ratings of a photo go to another photo, of another light.
    dealt = [f"{name},{other}" for name, other in zip(names, others[34:] + others[:34], strict=True)]
    (folder / "dealt.csv").write_text("\n".join([lines[0], *dealt]) + "\n")
    (folder / "dealt").mkdir()
    (folder / "dealt" / "embeddings.jsonl").write_bytes((folder / "out" / "embeddings.jsonl").read_bytes())
    repository = folder / "untouched"
    done = facestats(
        folder,
        *("train", "dealt.csv", "--images", "photos", "--least", 30, "--out", "dealt", "--publish"),
        *("--repository", repository),
        url=served.url,
    )
    assert done.returncode == 1
    assert "worthless" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((folder / "dealt" / "report.json").read_text())["verdict"] == "worthless"
    assert not repository.exists()
