"""What an engine makes of inputs and services that fail; the pipeline is a script here, because it has to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from facestats.problems import Problem
from facestats.scoring.pipeline import Scorer
from facestats.scoring.schemas import ScoreDocument
from facestats_bulk.blocks import Block
from facestats_bulk.engine import Engine, EngineOptions
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput, list_inputs
from facestats_bulk.locations import open_url
from facestats_bulk.run import BulkOptions, engine_options
from facestats_bulk.schema import UNREADABLE
from tests.bulk.test_schema import document

Script = Callable[[bytes, int], ScoreDocument]


class ScriptedScorer:
    """A pipeline that does what the test says, by the image and how often it was asked.

    Answers nobody before ``together`` images are being scored at once.
    """

    def __init__(self, script: Script, together: int = 1) -> None:
        self._script = script
        self._together = together
        self._met = asyncio.Event()
        self.asked: list[bytes] = []
        self.running = self.most_running = 0

    async def score(self, data: bytes, *arguments: object, **named: object) -> ScoreDocument:
        self.asked.append(data)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.running == self._together:
                self._met.set()
            await asyncio.wait_for(self._met.wait(), 10)
            return self._script(data, self.asked.count(data))
        finally:
            self.running -= 1


def options(patience: float = 30.0) -> EngineOptions:
    return replace(engine_options(BulkOptions([], "")), receipt="sha256:1", patience=patience)


def score(
    script: Script, *inputs: ImageInput, patience: float = 30.0, together: int = 1
) -> tuple[list[dict[str, Any]], ScriptedScorer]:
    scorer = ScriptedScorer(script, together)
    rows = asyncio.run(Engine(cast(Scorer, scorer), options(patience)).rows(Block(inputs)))
    return rows, scorer


@pytest.fixture
def images(tmp_path: Path) -> list[ImageInput]:
    for index in range(20):
        (tmp_path / f"{index:02d}.jpg").write_bytes(b"%d" % index)
    return list(list_inputs([str(tmp_path)]))


def test_rows_keep_the_order_of_their_inputs_and_few_run_at_a_time(images: list[ImageInput]) -> None:
    rows, scorer = score(lambda data, count: document(float(data)), *images, together=2)
    assert [(row["id"], row["score"]) for row in rows] == [(item.id, index) for index, item in enumerate(images)]
    assert scorer.most_running == 2


@pytest.mark.parametrize("code", ["triton-unavailable", "deadline-exceeded", "overloaded"])
def test_service_that_comes_back_costs_no_row(images: list[ImageInput], code: str) -> None:
    def fails_once(data: bytes, count: int) -> ScoreDocument:
        if count == 1:
            raise Problem(code, "Not now.")
        return document(50.0)

    rows, scorer = score(fails_once, *images[:3])
    assert [row["score"] for row in rows] == [50.0] * 3
    assert len(scorer.asked) == 6


def test_service_that_stays_away_ends_the_run_instead_of_writing_problems(images: list[ImageInput]) -> None:
    def away(data: bytes, count: int) -> ScoreDocument:
        raise Problem("triton-unavailable", "Triton is away.")

    with pytest.raises(BulkError, match=r"Triton is away\. Run again"):
        score(away, *images, patience=0.3)


def test_bad_image_is_asked_for_once(images: list[ImageInput]) -> None:
    def faceless(data: bytes, count: int) -> ScoreDocument:
        raise Problem("no-face", "No face was found.")

    (row,), scorer = score(faceless, images[0])
    assert (row["problem_type"], row["problem_detail"]) == ("urn:facestats:problem:no-face", "No face was found.")
    assert len(scorer.asked) == 1


def test_unexpected_error_is_the_image_s_row(images: list[ImageInput]) -> None:
    def broken(data: bytes, count: int) -> ScoreDocument:
        if data == b"0":
            raise ZeroDivisionError
        return document(50.0)

    first, second = score(broken, *images[:2])[0]
    assert first["problem_type"] == "urn:facestats:problem:internal-error"
    assert "ZeroDivisionError" in first["problem_detail"]
    assert second["score"] == 50.0


def test_missing_files_folders_and_empty_rows_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    pq.write_table(pa.table({"image": [None, b"photo"]}), tmp_path / "images.parquet")
    inputs = [ImageInput(name, str(tmp_path / name)) for name in ("gone.jpg", "folder.jpg")]
    inputs += list_inputs([str(tmp_path / "images.parquet")])
    rows, scorer = score(lambda data, count: document(50.0), *inputs)
    assert [row.get("problem_type") for row in rows] == [UNREADABLE.urn] * 3 + [None]
    assert [row.get("problem_detail") for row in rows[:3]] == [
        "The file cannot be read (No such file or directory).",
        "The file cannot be read (Is a directory).",
        "The row holds no image.",
    ]
    assert scorer.asked == [b"photo"]


def test_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    limit = options().limits.max_bytes
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(10 * limit)
    (row,), scorer = score(lambda data, count: document(50.0), *list_inputs([str(tmp_path)]))
    assert row["problem_type"] == "urn:facestats:problem:too-many-bytes"
    assert f"{limit:,} bytes" in row["problem_detail"]
    assert scorer.asked == []


class ServerError(Exception):
    """An HTTP answer, as aiohttp's exceptions carry it."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@pytest.mark.parametrize("name", ["zero\0.jpg", f"{'n' * 300}.jpg", "a.jpg/b.jpg", "circle.jpg", "gone.jpg", ""])
def test_name_that_no_file_can_have_is_a_row(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    items = [ImageInput(path, path) for path in (f"{tmp_path}/{name}", f"{tmp_path}/a.jpg")]
    (bad, good), _ = score(lambda data, count: document(50.0), *items, patience=0.3)
    assert bad["problem_type"] == "urn:facestats:problem:unreadable"
    assert good["score"] == 50.0


@pytest.mark.parametrize(("status", "final"), [(403, True), (410, True), (429, False), (503, False)])
def test_server_that_refuses_one_image_costs_that_row_only(
    monkeypatch: pytest.MonkeyPatch, status: int, final: bool
) -> None:
    def refuse(path: str, limit: int) -> bytes:
        raise ServerError(status)

    monkeypatch.setattr("facestats_bulk.engine.read_file", refuse)
    item = ImageInput("photo", "memory://photo.jpg")
    if final:
        (row,), _ = score(lambda data, count: document(50.0), item, patience=0.3)
        assert str(status) in row["problem_detail"]
    else:
        with pytest.raises(BulkError, match="cannot be read"):
            score(lambda data, count: document(50.0), item, patience=0.3)


class FlakyFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """A file system whose connection breaks."""

    protocol = "flaky"
    store: dict[str, Any] = {}  # noqa: RUF012 - as its base class has it
    failures = 0

    def _open(self, *arguments: Any, **named: Any) -> Any:
        if FlakyFileSystem.failures > 0:
            FlakyFileSystem.failures -= 1
            raise TimeoutError("the connection broke")
        return super()._open(*arguments, **named)


@pytest.mark.parametrize(("failures", "patience"), [(2, 30.0), (1000, 0.3)])
def test_file_system_that_fails_is_tried_again_for_a_while(failures: int, patience: float) -> None:
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    FlakyFileSystem.failures = 0
    fs, path = open_url("flaky://photo.jpg")
    fs.pipe_file(path, b"photo")
    FlakyFileSystem.failures = failures
    item = ImageInput("photo", "flaky://photo.jpg")
    if patience < 1:
        with pytest.raises(BulkError, match=r"'flaky://photo\.jpg' cannot be read: TimeoutError"):
            score(lambda data, count: document(50.0), item, patience=patience)
    else:
        assert score(lambda data, count: document(50.0), item, patience=patience)[0][0]["score"] == 50.0


def test_parquet_file_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match=r"a Parquet file cannot be read: FileNotFoundError"):
        score(lambda data, count: document(50.0), ImageInput("x", str(tmp_path / "gone.parquet"), 0, "image"))
