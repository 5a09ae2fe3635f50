"""``facestats calibrate`` when it cannot; what it measures is in tests/export/test_served.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from facestats.errors import FaceStatsError
from facestats_cli.calibrate import measure_raw, served_regressor
from facestats_cli.main import app
from facestats_evaluation.ratings import EvaluationError


def client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    """A service that answers as told."""
    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://service")


def test_without_a_service_it_is_one_sentence(tmp_path: Path) -> None:
    command = ["calibrate", "--images", str(tmp_path), "--name", "x", "--url", "http://127.0.0.1:1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "no answer from http://127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("regressor", ["untrained", "unknown"])
def test_a_regressor_without_a_file_has_no_calibration(regressor: str) -> None:
    with (
        client(lambda request: httpx.Response(200, json={"regressor": regressor})) as service,
        pytest.raises(FaceStatsError, match=f"the service's regressor is {regressor}"),
    ):
        served_regressor(service)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_service_is_asked_again_and_no_photo_is_lost(tmp_path: Path, status: int) -> None:
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(b"photo %d" % number)
    asked: Counter[str] = Counter()

    def answer(request: httpx.Request) -> httpx.Response:
        number = request.content.partition(b"photo ")[2][:1].decode()
        asked[number] += 1
        if asked[number] < 3:
            return httpx.Response(status, json={"detail": "Not now."}, headers={"Retry-After": "0"})
        return httpx.Response(200, json={"faces": [{"holistic": {"raw": float(number)}}]})

    with client(answer) as service:
        assert measure_raw(service, sorted(tmp_path.iterdir()), concurrency=2) == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_service_that_stays_away_ends_the_run(tmp_path: Path, status: int) -> None:
    (tmp_path / "face.jpg").write_bytes(b"face")
    problem = {"detail": "Not for you."}
    headers = {"content-type": "application/problem+json", "Retry-After": "0"}
    with (
        client(lambda request: httpx.Response(status, json=problem, headers=headers)) as service,
        pytest.raises(EvaluationError, match="Not for you"),
    ):
        measure_raw(service, [tmp_path / "face.jpg"], concurrency=1)


def test_geometry_alone_is_no_calibration(tmp_path: Path) -> None:
    (tmp_path / "face.jpg").write_bytes(b"face")
    document = {"faces": [{"holistic": None}], "degraded": True}
    with (
        client(lambda request: httpx.Response(200, json=document)) as service,
        pytest.raises(EvaluationError, match="without its models"),
    ):
        measure_raw(service, [tmp_path / "face.jpg"], concurrency=1)


def test_only_images_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("README.md", "ratings.csv", "face.JFIF", "sub/other.hif", "notes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    asked: list[str] = []
    monkeypatch.setattr("facestats_cli.calibrate.served_regressor", lambda service: "sha256:1")

    def measure(service: httpx.Client, files: list[Path], concurrency: int) -> list[float]:
        asked.extend(path.name for path in files)
        return []

    monkeypatch.setattr("facestats_cli.calibrate.measure_raw", measure)
    done = CliRunner().invoke(app, ["calibrate", "--images", str(tmp_path), "--name", "x"])
    assert asked == ["face.JFIF", "other.hif"]
    assert "0 of 2 images" in " ".join(done.stderr.split())


def test_photos_without_a_face_are_reported_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("face.jpg", "landscape.jpg", "without the [red]model.jpg"):
        (tmp_path / name).write_bytes(name.encode())

    def answer(request: httpx.Request) -> httpx.Response:
        if b"landscape" in request.content:
            problem = {"detail": "There is no face."}
            return httpx.Response(422, json=problem, headers={"content-type": "application/problem+json"})
        holistic = None if b"without" in request.content else {"raw": 1.25}
        return httpx.Response(200, json={"faces": [{"holistic": holistic}]})

    with client(answer) as service:
        raw = measure_raw(service, sorted(tmp_path.iterdir()), concurrency=2)
    assert raw == [1.25]
    said = " ".join(capsys.readouterr().err.split())
    assert "There is no face." in said
    assert "without the [red]model.jpg: no holistic half" in said.replace("\n", "")
