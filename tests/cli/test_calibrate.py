"""``facestats calibrate`` when it cannot; what it measures is in tests/export/test_served.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facestats.errors import FaceStatsError
from facestats_cli.calibrate import measure_raw, served_regressor
from facestats_cli.main import app
from facestats_evaluation.ratings import EvaluationError
from facestats_evaluation.service import ScoringService
from tests.scripted_service import Answer, Script, problem, scored, scripted_service, served_model


@contextmanager
def service(answer: Callable[[bytes], Answer], **model: str) -> Iterator[ScoringService]:
    """A service that answers as told."""
    script = Script(model=lambda: served_model(**model), answer=lambda data, query: answer(data))
    with scripted_service(script) as running, ScoringService(running.url) as asked:
        yield asked


def test_without_a_service_it_is_one_sentence(tmp_path: Path) -> None:
    command = ["calibrate", "--images", str(tmp_path), "--name", "x", "--url", "http://127.0.0.1:1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "no answer from http://127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("regressor", ["untrained", "unknown"])
def test_a_regressor_without_a_file_has_no_calibration(regressor: str) -> None:
    with (
        service(lambda data: scored(), regressor=regressor) as asked,
        pytest.raises(FaceStatsError, match=f"the service's regressor is {regressor}"),
    ):
        served_regressor(asked)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_service_is_asked_again_and_no_photo_is_lost(tmp_path: Path, status: int) -> None:
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(b"photo %d" % number)
    asked: Counter[str] = Counter()

    def answer(data: bytes) -> Answer:
        number = data.partition(b"photo ")[2].decode()
        asked[number] += 1
        return problem(status, "overloaded", Retry_After="0") if asked[number] < 3 else scored(raw=float(number))

    with service(answer) as running:
        assert measure_raw(running, sorted(tmp_path.iterdir()), concurrency=2) == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_service_that_stays_away_ends_the_run(tmp_path: Path, status: int) -> None:
    (tmp_path / "face.jpg").write_bytes(b"face")
    with (
        service(lambda data: problem(status, "not-for-you", Retry_After="0")) as running,
        pytest.raises(EvaluationError, match="It is not-for-you"),
    ):
        measure_raw(running, [tmp_path / "face.jpg"], concurrency=1)


def test_geometry_alone_is_no_calibration(tmp_path: Path) -> None:
    (tmp_path / "face.jpg").write_bytes(b"face")
    with (
        service(lambda data: scored(degraded=True)) as running,
        pytest.raises(EvaluationError, match="without its models"),
    ):
        measure_raw(running, [tmp_path / "face.jpg"], concurrency=1)


def test_only_images_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("README.md", "ratings.csv", "face.JFIF", "sub/other.hif", "notes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    asked: list[str] = []
    monkeypatch.setattr("facestats_cli.calibrate.served_regressor", lambda asked: "sha256:1")

    def measure(asked_of: ScoringService, files: list[Path], concurrency: int) -> list[float]:
        asked.extend(path.name for path in files)
        return []

    monkeypatch.setattr("facestats_cli.calibrate.measure_raw", measure)
    done = CliRunner().invoke(app, ["calibrate", "--images", str(tmp_path), "--name", "x"])
    assert asked == ["face.JFIF", "other.hif"]
    assert "0 of 2 images" in " ".join(done.stderr.split())


def test_photos_without_a_face_are_reported_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("face.jpg", "landscape.jpg", "without the [red]model.jpg"):
        (tmp_path / name).write_bytes(name.encode())

    def answer(data: bytes) -> Answer:
        if b"landscape" in data:
            return problem(422, "no-face")
        return scored(holistic=None if b"without" in data else 50.0, raw=1.25)

    with service(answer) as running:
        raw = measure_raw(running, sorted(tmp_path.iterdir()), concurrency=2)
    assert raw == [1.25]
    said = " ".join(capsys.readouterr().err.split())
    assert "It is no-face." in said
    assert "without the [red]model.jpg: no holistic half" in said.replace("\n", "")
