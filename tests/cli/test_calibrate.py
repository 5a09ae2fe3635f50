"""``facestats calibrate`` when it cannot; what it measures is in tests/export/test_served.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from facestats.errors import FaceStatsError
from facestats_cli.calibrate import measure_raw, served_regressor
from facestats_cli.main import app


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


def test_photos_without_a_face_are_reported_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("face.jpg", "landscape.jpg", "without the model.jpg"):
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
    assert "no holistic half" in said
