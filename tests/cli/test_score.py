"""``facestats score``: a table for people, JSON for machines, pictures, and one sentence for what goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.gateway_process import GatewayProcess
from tests.stack import Stack, free_port


def score(*arguments: str | Path, url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs ``facestats score``."""
    return subprocess.run(
        [sys.executable, "-m", "facestats_cli", "score", *map(str, arguments), "--url", url],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "120"} | environment,
        timeout=120,
        check=False,
    )


@pytest.fixture
def nobody(tmp_path: Path) -> Path:
    """A picture without a face."""
    path = tmp_path / "nobody.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)).save(path)
    return path


@pytest.mark.integration
def test_table_has_the_score_its_halves_and_every_metric(stack: Stack, example_path: Path) -> None:
    answer = json.loads(score(example_path, "--json", url=stack.url).stdout)
    face = answer["faces"][0]
    result = score(example_path, url=stack.url)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    # Untrained weights are not a score: the geometric half leads, and the blend is a demonstration.
    assert f"geometric score {face['geometric']['score']:.1f}" in lines[1]
    interval = face["geometric"]["interval"]
    assert f"({interval['low']:.0f} to {interval['high']:.0f})" in lines[1]
    assert lines[2].startswith("only as a demonstration")
    assert (
        f"score {face['score']:.1f} = 0.6 x geometric {face['geometric']['score']:.1f}"
        f" + 0.4 x holistic {face['holistic']['score']:.1f}"
    ) in lines[2]
    for metric in face["geometric"]["metrics"]:
        (row,) = (line for line in lines if metric["title"] in line and line.startswith(metric["group"]))
        assert f"{metric['score']:.1f}" in row
    for notice in answer["notices"]:
        assert notice in " ".join(lines)


@pytest.mark.integration
def test_json_is_the_response_with_the_path(stack: Stack, example_path: Path) -> None:
    result = score(example_path, example_path, "--json", "--sex", "male", "--crop", "full", url=stack.url)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["path"] for answer in answers] == [str(example_path)] * 2
    assert {"faces", "model", "notices", "timing_ms"} <= set(answers[0])
    assert answers[0]["faces"][0]["geometric"]["sex"] == "male"
    assert answers[0]["faces"][0]["holistic"]["crop"] == "full"


@pytest.mark.integration
def test_photos_of_one_person_are_one_score(stack: Stack, example_path: Path, nobody: Path) -> None:
    answer = json.loads(score(example_path, example_path, nobody, "--person", "--json", url=stack.url).stdout)
    assert answer["paths"] == [str(example_path), str(example_path), str(nobody)]
    assert [photo["used"] for photo in answer["photos"]] == [True, True, False]
    shown = score(example_path, example_path, nobody, "--person", url=stack.url)
    assert shown.returncode == 0, shown.stderr
    assert f"2 photos together  geometric score {answer['geometric']['score']:.1f}" in shown.stdout
    assert "No face was" in shown.stdout
    alone = score(nobody, nobody, "--person", url=stack.url)
    assert alone.returncode == 1
    assert "None of the 2 photos supports a score" in alone.stderr


@pytest.mark.integration
def test_pictures_are_written_and_none_is_overwritten(stack: Stack, example_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = Path(shutil.copy(example_path, folder))
    # The folder of the photos themselves: the worst place somebody could name.
    result = score(photo, photo, "--overlay", folder, url=stack.url)
    assert result.returncode == 0, result.stderr
    assert photo.read_bytes() == example_path.read_bytes()
    for name in ("astronaut-2.jpg", "astronaut-3.jpg"):
        assert f"{folder / name}" in result.stderr
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300


@pytest.mark.integration
def test_what_cannot_be_scored_is_one_sentence_and_stops_nobody(
    stack: Stack, example_path: Path, nobody: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "[red]face.jpg"
    strange.write_bytes(example_path.read_bytes())
    damaged = tmp_path / "notes.txt"
    damaged.write_text("Dear diary")
    result = score(tmp_path / "nowhere.jpg", tmp_path, nobody, damaged, strange, url=stack.url)
    assert result.returncode == 1
    missing, directory, faceless, no_picture = result.stderr.splitlines()
    assert missing == f"facestats: {tmp_path / 'nowhere.jpg'}: cannot be read (No such file or directory)."
    assert "Is a directory" in directory
    assert str(nobody) in faceless
    assert "face" in faceless
    assert str(damaged) in no_picture
    # Brackets in a file's name are no markup.
    assert "[red]face.jpg" in result.stdout.replace("\n", "")


def test_service_away_is_one_sentence_with_a_next_step(example_path: Path) -> None:
    port = free_port()
    result = score(example_path, url=f"http://127.0.0.1:{port}")
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert f"no answer (http://127.0.0.1:{port}" in line
    assert "Start it with `facestats up`" in line


def test_wrong_addresses_and_folders_are_one_sentence(example_path: Path, tmp_path: Path) -> None:
    for result, word in (
        (score(example_path, url="http://127.0.0.1:eighty"), "127.0.0.1:eighty"),
        (score(example_path, url="localhost"), "localhost"),
        (score(example_path, example_path, "--person", "--faces", "all", url="http://127.0.0.1:1"), "--person"),
        (score(example_path, "--overlay", example_path, url="http://127.0.0.1:1"), "cannot be a folder"),
    ):
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert word in line


@pytest.mark.integration
def test_triton_away_and_missing_key_say_what_to_do(example_path: Path) -> None:
    key = "a key of the test"
    settings = {
        "FACESTATS_TRITON_URLS": f"127.0.0.1:{free_port()}",
        "FACESTATS_API_KEYS": f"me:{hashlib.sha256(key.encode()).hexdigest()}",
    }
    with GatewayProcess(settings) as gateway:
        keyless = score(example_path, url=gateway.url)
        away = score(example_path, url=gateway.url, FACESTATS_API_KEY=key)
    assert (keyless.returncode, away.returncode) == (1, 1)
    assert "--api-key" in keyless.stderr
    assert "facestats doctor" in away.stderr


def test_a_server_that_is_no_gateway_is_told(example_path: Path) -> None:
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        result = score(example_path, url=f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert result.returncode == 1
    assert "the service answered 501; is it a FaceStats gateway?" in result.stderr
