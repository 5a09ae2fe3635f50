"""Every kind of input becomes the same list of images."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facestats_bulk.blocks import Block, read_file, read_rows, split_blocks
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput, list_inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    for name in ("b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", ".hidden.jpg", ".cache/d.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(name.encode())
    return photos


def ids(*inputs: object, **options: str) -> list[str]:
    return [item.id for item in list_inputs(map(str, inputs), **options)]


def test_folder_holds_images_at_any_depth(folder: Path) -> None:
    assert ids(folder) == [f"{folder}/a.PNG", f"{folder}/b.jpg", f"{folder}/deep/er/c.webp"]


def test_relative_path_and_file_url_name_the_same_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert ids("photos") == ids(f"file://{folder}") == ids(folder)


def test_glob_takes_what_it_matches(folder: Path) -> None:
    assert ids(f"{folder}/*") == [f"{folder}/{name}" for name in ("a.PNG", "b.jpg", "notes.txt")]
    assert ids(f"{folder}/**/*.webp") == [f"{folder}/deep/er/c.webp"]


def test_existing_file_with_a_glob_in_its_name_is_itself(folder: Path) -> None:
    (folder / "me[1].jpg").write_bytes(b"")
    assert ids(folder / "me[1].jpg") == [f"{folder}/me[1].jpg"]


def test_file_name_of_stray_bytes_can_be_written_down(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_bytes(b"photo")
    (item,) = list_inputs([str(tmp_path)])
    assert item.id == f"{tmp_path}/caf\\xe9.jpg"
    (again,) = Block.from_json(Block((item,)).to_json()).inputs
    assert read_file(again.path, 100) == b"photo"


@pytest.mark.parametrize("given", ["nowhere", "photos/*.gif", "empty", "no-such-scheme://bucket/photos"])
def test_input_that_holds_nothing_is_an_error(given: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "empty").mkdir()
    monkeypatch.chdir(folder.parent)
    with pytest.raises(BulkError, match=given.replace("*", r"\*")):
        ids(given)


def test_output_inside_the_input_is_no_input(folder: Path) -> None:
    (folder / "scores").mkdir()
    write(folder / "scores" / "part-1.parquet", path=["x.jpg"])
    assert len(ids(folder, output=f"{folder}/scores")) == 3
    assert f"{folder}/x.jpg" not in ids(folder, output=str(folder / "scores"))


def test_rows_with_bytes_are_known_by_file_and_number(tmp_path: Path) -> None:
    path = write(tmp_path / "images.parquet", image=[b"one", b"two", None])
    items = list(list_inputs([str(path)]))
    assert [item.id for item in items] == [f"{path}#{row}" for row in range(3)]
    assert list(read_rows(str(path), "image", [item.row for item in items if item.row is not None])) == [
        (0, b"one"),
        (1, b"two"),
        (2, None),
    ]


def test_rows_with_paths_are_the_files_beside_them(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", path=["a.jpg", "/b.jpg", "s3://bucket/c.jpg"])
    assert ids(path) == [f"{tmp_path}/a.jpg", "/b.jpg", "s3://bucket/c.jpg"]


def test_id_column_names_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "images.parquet", picture=[b"one", b"two"], user=[17, 18], where=["a.jpg", "b.jpg"])
    assert ids(path, column="picture", id_column="user") == ["17", "18"]
    assert [(item.id, item.path) for item in list_inputs([str(path)], "where", "user")] == [
        ("17", f"{tmp_path}/a.jpg"),
        ("18", f"{tmp_path}/b.jpg"),
    ]


def test_image_columns_of_hugging_face_datasets(tmp_path: Path) -> None:
    path = write(tmp_path / "data.parquet", image=[{"bytes": b"one", "path": "1.jpg"}, {"bytes": None, "path": None}])
    (item, _) = list_inputs([str(path)])
    assert item.column == "image.bytes"
    assert list(read_rows(str(path), "image.bytes", [0, 1])) == [(0, b"one"), (1, None)]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"picture": [b""]}, {}, "name one with --column"),
        ({"image": [b""]}, {"column": "photo"}, "no column 'photo'"),
        ({"image": [b""]}, {"id_column": "user"}, "no column 'user'"),
        ({"image": [1.5]}, {}, "neither image bytes nor paths"),
        ({"image": [{"width": 3}]}, {"column": "image.bytes"}, "neither image bytes nor paths"),
    ],
)
def test_columns_that_cannot_be_used(
    tmp_path: Path, columns: dict[str, list[object]], options: dict[str, str], message: str
) -> None:
    path = write(tmp_path / "images.parquet", **columns)
    with pytest.raises(BulkError, match=message):
        ids(path, **options)


def test_file_that_only_claims_to_be_parquet(tmp_path: Path) -> None:
    (tmp_path / "images.parquet").write_bytes(b"no Parquet at all")
    with pytest.raises(BulkError, match=r"images\.parquet' cannot be read"):
        ids(tmp_path / "images.parquet")


def test_rows_are_read_across_row_groups_in_small_reads(tmp_path: Path) -> None:
    table = pa.table({"image": [str(number).encode() for number in range(500)]})
    pq.write_table(table, tmp_path / "images.parquet", row_group_size=70)
    wanted = [499, 0, 69, 70, 71, 139, 300]
    assert list(read_rows(str(tmp_path / "images.parquet"), "image", wanted)) == [
        (row, str(row).encode()) for row in sorted(wanted)
    ]


def test_shrunken_file_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "images.parquet", image=[b"one"])
    with pytest.raises(BulkError, match="has changed"):
        list(read_rows(str(path), "image", [0, 1]))


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_url_of_another_file_system(web: str) -> None:
    (item,) = list_inputs([f"{web}/b.jpg"])
    assert item == ImageInput(f"{web}/b.jpg", f"{web}/b.jpg")
    assert read_file(item.path, 100) == b"b.jpg"


def test_large_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(1000))
    assert len(read_file(str(tmp_path / "large.jpg"), 100)) == 101


def test_file_name_belongs_to_the_inputs_in_their_order() -> None:
    items = [ImageInput(str(number), f"/{number}.jpg") for number in range(5)]
    first, second, third = split_blocks(items, 2)
    assert [len(block.inputs) for block in (first, second, third)] == [2, 2, 1]
    assert first.file_name == Block(tuple(items[:2])).file_name != second.file_name
    assert first.file_name != Block((items[1], items[0])).file_name


def write(file: Path, /, **columns: object) -> Path:
    pq.write_table(pa.table(columns), file)
    return file
