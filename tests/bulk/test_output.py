"""The output folder: whole files, and what they say is done."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facestats.problems import PROBLEM_TYPES
from facestats_bulk.blocks import Block
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput, input_key
from facestats_bulk.output import BlockCounts, OutputFolder
from facestats_bulk.schema import UNREADABLE, output_schema, problem_row

IDENTITY = {"model": "sha256:1", "crop": "aligned"}
A, B, C = (ImageInput(f"/{name}.jpg", f"/{name}.jpg") for name in "abc")


def table(*items: ImageInput) -> pa.Table:
    kinds = (UNREADABLE, PROBLEM_TYPES["no-face"])
    rows = [problem_row(item, kinds[index % 2], "why") for index, item in enumerate(items)]
    return pa.Table.from_pylist(rows, output_schema())


def write(output: OutputFolder, *items: ImageInput) -> str:
    name = Block(items).file_name
    output.write(name, table(*items))
    return name


@pytest.fixture(params=["local", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An output folder on two kinds of file system."""
    return str(tmp_path / "scores") if request.param == "local" else f"memory://{tmp_path.name}/scores"


def test_finished_files_are_what_is_done(url: str) -> None:
    output = OutputFolder(url, IDENTITY)
    assert output.prepare().keys == set()
    name = write(output, A, B)
    assert output.counts(name) == BlockCounts(2, {"unreadable": 1, "no-face": 1})
    assert output.counts(Block((C,)).file_name) is None
    finished = OutputFolder(url, IDENTITY).prepare()
    assert finished.keys == {input_key(A.id), input_key(B.id)}
    assert finished.files == 1


def test_block_written_again_replaces_the_first(tmp_path: Path) -> None:
    output = OutputFolder(str(tmp_path), IDENTITY)
    names = {write(output, A, B), write(output, A, B)}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert len(names) == 1
    assert pq.read_table(tmp_path)["id"].to_pylist() == [A.id, B.id]


def test_half_written_files_of_an_interrupted_run_go(tmp_path: Path) -> None:
    output = OutputFolder(str(tmp_path), IDENTITY)
    kept = write(output, A)
    whole = (tmp_path / kept).read_bytes()
    (tmp_path / f".{kept}.{'7' * 32}").write_bytes(whole[:100])
    # A file system without whole writes may leave one of these.
    (tmp_path / f"part-{'0' * 32}.parquet").write_bytes(whole[:-20])
    (tmp_path / f"part-{'1' * 32}.parquet").write_bytes(b"")
    assert output.prepare().keys == {input_key(A.id)}
    assert [path.name for path in tmp_path.iterdir()] == [kept]


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = OutputFolder(str(tmp_path), IDENTITY)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(output, A)
    assert list(tmp_path.iterdir()) == []


def test_scores_of_another_model_or_other_options_are_not_mixed(tmp_path: Path) -> None:
    write(OutputFolder(str(tmp_path), IDENTITY), A)
    with pytest.raises(BulkError, match="another crop"):
        OutputFolder(str(tmp_path), IDENTITY | {"crop": "full"}).prepare()
    with pytest.raises(BulkError, match="another model"):
        OutputFolder(str(tmp_path), IDENTITY | {"model": "sha256:2"}).prepare()


def test_scores_of_models_that_nobody_can_tell_apart_are_not_added_to(tmp_path: Path) -> None:
    unknown = IDENTITY | {"model": "unknown"}
    assert OutputFolder(str(tmp_path), unknown).prepare().files == 0
    write(OutputFolder(str(tmp_path), unknown), A)
    with pytest.raises(BulkError, match="do not say what they are"):
        OutputFolder(str(tmp_path), unknown).prepare()


@pytest.mark.parametrize("name", ["part-mine.parquet", "customers.parquet"])
def test_other_people_s_files_are_left_alone(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / name)
    with pytest.raises(BulkError, match="other Parquet files"):
        OutputFolder(str(tmp_path), IDENTITY).prepare()
    assert (tmp_path / name).is_file()


FOREIGN = {
    "Spark": ["_SUCCESS", "part-00000-1c2d3e4f-c000.snappy.parquet", ".part-00000-1c2d3e4f-c000.snappy.parquet.crc"],
    "a torn Spark part alone": ["part-00000-1c2d3e4f-c000.snappy.parquet"],
    "Spark, still writing": ["_temporary/0/part-00000"],
    "Hive partitions": ["year=2024/part-0.parquet"],
    "Delta Lake": ["_delta_log/00000000000000000000.json"],
    "hidden parts": [".part-7", ".part-00000-1c2d3e4f.parquet.123"],
    "photos": ["a.JPG", "b.hif"],
    "a list": ["photos.csv"],
    "torn parts beside somebody's file": [f"part-{'0' * 32}.parquet", "orders.db"],
}


NOTES = {"a list", "hidden parts", "torn parts beside somebody's file"}
"""What may lie beside our own parts, and stays."""


@pytest.mark.parametrize(
    ("layout", "proven"),
    [*((layout, False) for layout in FOREIGN), *((layout, True) for layout in sorted(FOREIGN.keys() - NOTES))],
)
def test_folder_of_somebody_else_is_refused_and_left_as_it_was(tmp_path: Path, layout: str, proven: bool) -> None:
    if proven:
        write(OutputFolder(str(tmp_path), IDENTITY), A)
    for name in FOREIGN[layout]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"PAR1 not whole")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(BulkError, match=r"use (a folder of its own|another folder)"):
        OutputFolder(str(tmp_path), IDENTITY).prepare()
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_nothing_is_removed_from_a_folder_that_is_refused(tmp_path: Path) -> None:
    kept = write(OutputFolder(str(tmp_path), IDENTITY), A)
    (tmp_path / f".{kept}.{'7' * 32}").write_bytes(b"half")
    with pytest.raises(BulkError, match="another crop"):
        OutputFolder(str(tmp_path), IDENTITY | {"crop": "full"}).prepare()
    assert len(list(tmp_path.iterdir())) == 2


def test_notes_beside_our_parts_stay(tmp_path: Path) -> None:
    output = OutputFolder(str(tmp_path), IDENTITY)
    (tmp_path / ".DS_Store").write_bytes(b"")
    assert output.prepare().files == 0
    write(output, A)
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".part-of-a-thought").write_text("mine")
    assert output.prepare().files == 1
    assert {path.name for path in tmp_path.iterdir()} >= {".DS_Store", "README.md", ".part-of-a-thought"}


@pytest.mark.parametrize("name", ["photo.jpg", "list.parquet", "2024-*", "me[1]"])
def test_output_called_like_an_input(tmp_path: Path, name: str) -> None:
    with pytest.raises(BulkError, match="looks like an input"):
        OutputFolder(str(tmp_path / name), IDENTITY).prepare()
    assert not list(tmp_path.iterdir())


def test_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "scores").write_bytes(b"")
    with pytest.raises(BulkError, match="cannot be used"):
        OutputFolder(str(tmp_path / "scores"), IDENTITY).prepare()
