"""Every kind of input becomes the same list of images."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facestats.images.suffixes import IMAGE_SUFFIXES
from facestats_bulk.blocks import Block, read_file, read_rows, split_blocks
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput, list_inputs
from facestats_bulk.output import OutputFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    for name in ("b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", ".hidden.jpg", ".cache/d.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(name.encode())
    return photos


def ids(*inputs: object, **options: Any) -> list[str]:
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


@pytest.mark.parametrize("name", ["a::b.jpg", "zip:c::d.jpg", "e%20f.jpg", "g h.jpg", "http:i.jpg", "file:j.jpg"])
def test_names_are_taken_as_they_are_written(folder: Path, name: str) -> None:
    (folder / "odd" / name).parent.mkdir(parents=True)
    (folder / "odd" / name).write_bytes(b"photo")
    listed = write(folder / "list.parquet", path=[f"odd/{name}"])
    expected = [f"{folder}/odd/{name}"]
    assert ids(folder / "odd") == ids(folder / "odd" / name) == ids(listed) == ids(f"{folder}/odd/**/*.jpg") == expected
    assert ids(f"file://{quote(str(folder))}/odd/{quote(name)}") == expected
    (item,) = list_inputs([str(folder / "odd")])
    assert read_file(item.path, 100) == b"photo"
    OutputFolder(str(folder / "odd" / f"{name}.scores"), {}).prepare()
    assert (folder / "odd" / f"{name}.scores").is_dir()


def test_file_url_of_another_machine(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="of the machine 'server'"):
        ids("file://server/photos")
    assert ids(f"file://localhost{write(tmp_path / 'a b.parquet', image=[b''])}".replace(" ", "%20")) == [
        f"{tmp_path}/a b.parquet#0"
    ]


@pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".HIF", ".JFIF"])
def test_every_usual_ending_of_an_image_is_picked_up(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"")
    assert ids(tmp_path) == [f"{tmp_path}/a{suffix}"]


def test_what_is_not_picked_up_is_told(folder: Path) -> None:
    skipped: list[str] = []
    ids(folder, skip=skipped.append)
    assert skipped == [f"{folder}/notes.txt"]


def test_linked_folders_are_gone_into_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "archive" / "2023").mkdir(parents=True)
    (tmp_path / "archive" / "2023" / "old.jpg").write_bytes(b"")
    (folder / "archive").symlink_to(tmp_path / "archive")
    (tmp_path / "archive" / "back").symlink_to(folder)
    (folder / "deep" / "self").symlink_to(".")
    (folder / "linked.jpg").symlink_to("b.jpg")
    old = f"{folder}/archive/2023/old.jpg"
    assert ids(folder) == [
        *(f"{folder}/{name}" for name in ("a.PNG", "b.jpg", "linked.jpg")),
        old,
        f"{folder}/deep/er/c.webp",
    ]
    assert ids(f"{folder}/*/2023/*.jpg") == ids(f"{folder}/**/old.jpg") == [old]
    (tmp_path / "all").symlink_to(folder)
    assert f"{tmp_path}/all/b.jpg" in ids(tmp_path / "all")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photos.txt", b"a.jpg\nb.jpg\n"),
        ("photos.csv", "\ufefffilename,rating\r\nJosé.jpg,3\r\n".encode()),
        ("photos", "a.jpg\n".encode("utf-16")),
        ("photos.jsonl", ('{"path": "ä.jpg"}\n' * 999).encode()),
    ],
)
def test_list_that_is_no_parquet_is_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    for given in (folder / name, f"{folder}/photos*"):
        with pytest.raises(BulkError, match=r"photos.*is a text.*column 'path'"):
            ids(given)


def test_file_of_any_name_is_what_it_holds(folder: Path, example_path: Path) -> None:
    (folder / "me").write_bytes(example_path.read_bytes())
    write(folder / "list", image=[b"one"])
    assert ids(folder / "me") == [f"{folder}/me"]
    assert ids(folder / "list") == [f"{folder}/list#0"]


def test_output_is_no_input(folder: Path) -> None:
    (folder / "scores").mkdir()
    for given in ("scores", "scores/part-1.parquet"):
        with pytest.raises(BulkError, match="is the output or lies in it"):
            ids(folder / given, output=f"{folder}/scores/")


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
    path = write(
        tmp_path / "list.parquet", path=["a.jpg", "/b.jpg", "memory://bucket/c.jpg", f"file://{tmp_path}/d%20e.jpg"]
    )
    allow = ["/", "memory://bucket"]
    assert ids(path, allow=allow) == [f"{tmp_path}/a.jpg", "/b.jpg", "memory://bucket/c.jpg", f"{tmp_path}/d e.jpg"]


@pytest.mark.parametrize(
    "named",
    [
        "/etc/passwd.jpg",
        "../secret.jpg",
        "a/../../secret.jpg",
        "file:///etc/passwd.jpg",
        "file:/etc/passwd.jpg",
        "http://169.254.169.254/latest/meta-data",
        "HTTPS://example.com/a.jpg",
        "memory://bucket/a.jpg",
        "memory://allowed-too/a.jpg",
        "memory://allowed/../bucket/a.jpg",
        "memory://allowed/%2e%2E/bucket/a.jpg",
        "zip://a.jpg::memory://allowed/a.zip",
    ],
)
def test_row_may_name_nothing_elsewhere(tmp_path: Path, named: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = write(folder / "list.parquet", path=["good.jpg", named])
    for given in (path, folder, folder / "*.parquet"):
        with pytest.raises(BulkError, match=r"row 1 of .* does not lie below .*in'.*--allow"):
            ids(given, allow=["memory://allowed"])


def test_rows_may_name_what_lies_below_their_input(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    path = write(tmp_path / "lists" / "list.parquet", path=["../photos/a.jpg", f"{tmp_path}/b.jpg"])
    expected = [f"{tmp_path}/lists/../photos/a.jpg", f"{tmp_path}/b.jpg"]
    assert ids(tmp_path) == ids(f"{tmp_path}/*/list.parquet") == expected
    assert ids(path, allow=[str(tmp_path)]) == ids(path, allow=[f"file://{tmp_path}/"]) == expected


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_columns_of_paths_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    path = write(tmp_path / "list.parquet", path=pa.array(["a.jpg", None, "a.jpg", ""]).cast(kind))
    assert ids(path) == [f"{tmp_path}/a.jpg", f"{path}#1", f"{tmp_path}/a.jpg", f"{path}#3"]
    assert list(read_rows(str(path), "path", [1, 3])) == [(1, None), (3, None)]


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3), pa.dictionary(pa.int32(), pa.binary())]
)
def test_columns_of_bytes_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array([b"one", None, b"two"], None if pa.types.is_dictionary(kind) else kind)
    users = pa.array(["x", "y", "z"]).dictionary_encode()
    path = write(
        tmp_path / "images.parquet",
        image=values.dictionary_encode() if pa.types.is_dictionary(kind) else values,
        user=users,
    )
    assert ids(path, id_column="user") == ["x", "y", "z"]
    assert list(read_rows(str(path), "image", [0, 1, 2])) == [(0, b"one"), (1, None), (2, b"two")]


def test_list_as_pandas_writes_a_categorical(shared_dir: Path) -> None:
    given = shared_dir / "cases" / "pandascat.parquet"
    assert ids(given) == [f"{given.parent}/examples/astronaut.jpg"]


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
