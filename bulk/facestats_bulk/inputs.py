"""What is to be scored: folders, globs, files, Parquet and URLs of any ``fsspec`` file system to a list of images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem

from facestats_bulk.errors import BulkError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp", ".gif")
"""What is picked up inside folders; files named on the command line or matched by a glob may be called anything."""

PARQUET_SUFFIXES = (".parquet", ".pq")
USUAL_COLUMNS = ("image", "bytes", "path")
"""Columns looked for where none is named."""

_ROWS_A_READ = 4096


@dataclass(frozen=True)
class ImageInput:
    """One image to score: a file, or a row of a Parquet file.

    Attributes:
        id: What a row of the output is known by, and recognised by in a later run.
        path: The image file, or the Parquet file that holds its bytes.
        row: Row of the Parquet file; ``None`` for an image file.
        column: Column of the Parquet file that holds the bytes, with dots into structs; ``None`` for an image file.
    """

    id: str
    path: str
    row: int | None = None
    column: str | None = None

    @property
    def key(self) -> bytes:
        """16 bytes that stand for the id, so that a million of them fit into memory."""
        return input_key(self.id)


def input_key(identity: str) -> bytes:
    """16 bytes that stand for an input's id."""
    return hashlib.blake2b(identity.encode(), digest_size=16).digest()


def list_inputs(
    inputs: Iterable[str], column: str | None = None, id_column: str | None = None, output: str | None = None
) -> Iterator[ImageInput]:
    """Finds the images, folder by folder and file by file; what two inputs have in common comes twice.

    Args:
        inputs: Folders, globs, image files and Parquet files: paths, or URLs of any ``fsspec`` file system.
        column: Column of Parquet files with image bytes or paths; one of ``USUAL_COLUMNS`` if absent.
        id_column: Column of Parquet files with ids; the path, or file and row number, if absent.
        output: Folder whose content is no input.

    Raises:
        BulkError: An input does not exist, matches nothing or cannot be read.
    """
    inside_output = _inside(output)
    for given in inputs:
        found = False
        try:
            for fs, path in _files(given):
                if inside_output(full_path(fs, path)):
                    continue
                found = True
                if path.lower().endswith(PARQUET_SUFFIXES):
                    yield from _parquet_inputs(fs, path, column, id_column)
                else:
                    whole = full_path(fs, path)
                    yield ImageInput(printable(whole), whole)
        except (OSError, pa.ArrowException, ValueError, ImportError) as error:
            raise BulkError(f"the input '{given}' cannot be read: {error}") from error
        if not found:
            raise BulkError(f"the input '{given}' holds no image and no Parquet file.")


def open_url(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a path or URL, and the path inside it.

    Raises:
        BulkError: There is no such file system, or its package is not installed.
    """
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise BulkError(f"'{url}' cannot be opened: {error}.") from error
    return fs, path


def full_path(fs: fsspec.AbstractFileSystem, path: str) -> str:
    """A path that ``open_url`` understands anywhere: absolute, or a URL."""
    return path if isinstance(fs, LocalFileSystem) else str(fs.unstrip_protocol(path))


def printable(path: str) -> str:
    """The path as valid Unicode: a file name's stray bytes are written as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _inside(folder: str | None) -> Any:
    if folder is None:
        return lambda path: False
    root = full_path(*open_url(folder)).rstrip("/") + "/"
    return lambda path: path.startswith(root)


def _files(given: str) -> Iterator[tuple[fsspec.AbstractFileSystem, str]]:
    """The files an input stands for, in a stable order."""
    fs, path = open_url(given)
    # An existing file may have a glob's letters in its name.
    if has_magic(path) and not fs.exists(path):
        hidden = path.rpartition("/")[2].startswith(".")
        for match in sorted(fs.glob(path)):
            if match.rpartition("/")[2].startswith(".") == hidden and not fs.isdir(match):
                yield fs, match
    elif fs.isdir(path):
        for folder, folders, files in fs.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if name.lower().endswith(IMAGE_SUFFIXES + PARQUET_SUFFIXES) and not name.startswith("."):
                    yield fs, f"{folder.rstrip('/')}/{name}"
    elif fs.exists(path):
        yield fs, path
    else:
        raise BulkError(f"there is no '{given}'.")


def _parquet_inputs(
    fs: fsspec.AbstractFileSystem, path: str, column: str | None, id_column: str | None
) -> Iterator[ImageInput]:
    """The rows of a Parquet file; image bytes are not read."""
    where = full_path(fs, path)
    with fs.open(path, "rb") as file:
        parquet = pq.ParquetFile(file)
        name, kind = _image_column(parquet.schema_arrow, where, column)
        if id_column is not None and id_column not in parquet.schema_arrow.names:
            raise BulkError(f"'{where}' has no column '{id_column}' (it has {', '.join(parquet.schema_arrow.names)}).")
        wanted = [each for each in (id_column, name if kind == "path" else None) if each is not None]
        if not wanted:
            yield from (ImageInput(f"{where}#{row}", where, row, name) for row in range(parquet.metadata.num_rows))
            return
        row = 0
        for batch in parquet.iter_batches(_ROWS_A_READ, columns=wanted):
            ids = batch.column(id_column).to_pylist() if id_column is not None else [None] * len(batch)
            paths = batch.column(name).to_pylist() if kind == "path" else [None] * len(batch)
            for identity, image in zip(ids, paths, strict=True):
                yield _row_input(where, row, name, kind, identity, image)
                row += 1


def _row_input(where: str, row: int, column: str, kind: str, identity: object, image: str | None) -> ImageInput:
    if kind == "bytes" or image is None:
        # A row without a path has no bytes either; reading it says so.
        return ImageInput(f"{where}#{row}" if identity is None else str(identity), where, row, column)
    path = image if _is_whole(image) else f"{where.rpartition('/')[0]}/{image}"
    return ImageInput(path if identity is None else str(identity), path)


def _is_whole(path: str) -> bool:
    return path.startswith("/") or "://" in path


def _image_column(schema: pa.Schema, where: str, column: str | None) -> tuple[str, Literal["bytes", "path"]]:
    """Which column to read, with dots into structs, and what it holds."""
    if column is None:
        column = next((name for name in USUAL_COLUMNS if name in schema.names), None)
        if column is None:
            raise BulkError(
                f"'{where}' has none of the columns {', '.join(USUAL_COLUMNS)}; name one with --column "
                f"({', '.join(schema.names)})."
            )
    head, *inner = column.split(".")
    if head not in schema.names:
        raise BulkError(f"'{where}' has no column '{column}' (it has {', '.join(schema.names)}).")
    kind = schema.field(head).type
    for name in inner:
        kind = kind.field(name).type if pa.types.is_struct(kind) and kind.get_field_index(name) >= 0 else pa.null()
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        # The layout of Hugging Face's image datasets.
        column, kind = f"{column}.bytes", kind.field("bytes").type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return column, "bytes"
    if (pa.types.is_string(kind) or pa.types.is_large_string(kind)) and not inner:
        return column, "path"
    raise BulkError(f"the column '{column}' of '{where}' holds {kind}, neither image bytes nor paths.")
