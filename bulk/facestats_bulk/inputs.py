"""What is to be scored: folders, globs, files, Parquet and URLs of any ``fsspec`` file system to a list of images."""

from __future__ import annotations

import codecs
import hashlib
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import has_magic

from facestats.images.suffixes import named_like_an_image
from facestats_bulk.errors import BulkError
from facestats_bulk.locations import full_path, glob, is_whole, lies_below, open_url, printable, walk, whole_path

PARQUET_SUFFIXES = (".parquet", ".parq", ".pq")
USUAL_COLUMNS = ("image", "bytes", "path")
"""Columns looked for where none is named."""

_ROWS_A_READ = 4096
_HEAD_BYTES = 4096
"""As much of a file decides whether it is text."""


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
    inputs: Iterable[str],
    column: str | None = None,
    id_column: str | None = None,
    output: str | None = None,
    allow: Sequence[str] = (),
    skip: Callable[[str], None] = lambda path: None,
) -> Iterator[ImageInput]:
    """Finds the images, folder by folder and file by file; what two inputs have in common comes twice.

    Args:
        inputs: Folders, globs, image files and Parquet files: paths, or URLs of any ``fsspec`` file system.
        column: Column of Parquet files with image bytes or paths; one of ``USUAL_COLUMNS`` if absent.
        id_column: Column of Parquet files with ids; the path, or file and row number, if absent.
        output: Folder whose content is no input.
        allow: Further folders, paths or URLs, below which rows of Parquet files may name images; they may always name
            those below their input.
        skip: Told of each file in a folder that is not picked up because of its name.

    Raises:
        BulkError: An input does not exist, matches nothing or cannot be read, or a row names an image elsewhere.
    """
    # As it is written too: a file system may write its URLs otherwise, and one that a row names must not be opened.
    allowed = [root for given in allow for root in (full_path(*open_url(given)), whole_path(given))]
    ours = [] if output is None else [full_path(*open_url(output))]
    for given in inputs:
        found = False
        try:
            fs, path = open_url(given)
            if lies_below(full_path(fs, path), ours):
                raise BulkError(f"the input '{given}' is the output or lies in it; use another folder for the output.")
            roots = [_root(fs, path), *allowed]
            for file in _files(fs, path, given, skip):
                whole = full_path(fs, file)
                if lies_below(whole, ours):
                    continue
                found = True
                if _is_parquet(fs, file):
                    yield from _parquet_inputs(fs, file, column, id_column, roots)
                else:
                    yield ImageInput(printable(whole), whole)
        except (OSError, pa.ArrowException, ValueError, ImportError) as error:
            raise BulkError(f"the input '{given}' cannot be read: {error}") from error
        if not found:
            raise BulkError(f"the input '{given}' holds no image and no Parquet file.")


def _files(fs: fsspec.AbstractFileSystem, path: str, given: str, skip: Callable[[str], None]) -> Iterator[str]:
    """The files an input stands for, in a stable order."""
    # An existing file may have a glob's letters in its name.
    if has_magic(path) and not fs.exists(path):
        matches = glob(fs, path)
        if matches and all(_is_list(fs, match) for match in matches):
            raise _list_refused(matches[0])
        yield from matches
    elif fs.isdir(path):
        for file in walk(fs, path):
            if named_like_an_image(file) or _named_like_parquet(file):
                yield file
            else:
                skip(full_path(fs, file))
    elif not fs.exists(path):
        raise BulkError(f"there is no '{given}'.")
    elif _is_list(fs, path):
        raise _list_refused(given)
    else:
        yield path


def _list_refused(given: str) -> BulkError:
    return BulkError(
        f"'{given}' is a text, neither an image nor a Parquet file; give a list of images as a Parquet file with a "
        "column 'path'."
    )


def _named_like_parquet(path: str) -> bool:
    return path.lower().endswith(PARQUET_SUFFIXES)


def _is_parquet(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    if named_like_an_image(path) or _named_like_parquet(path):
        return _named_like_parquet(path)
    return _head(fs, path)[:4] == b"PAR1"


def _is_list(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    """Whether a file of no telling name holds text."""
    if named_like_an_image(path) or _named_like_parquet(path):
        return False
    head = _head(fs, path)
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        # The last character may be cut in two.
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=len(head) < _HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)


def _head(fs: fsspec.AbstractFileSystem, path: str) -> bytes:
    try:
        with fs.open(path, "rb") as file:
            head: bytes = file.read(_HEAD_BYTES)
    except PermissionError:
        # Closed to us: its row will say so.
        return b""
    return head


def _root(fs: fsspec.AbstractFileSystem, path: str) -> str:
    """The folder that an input is about: itself, the one a glob begins in, or the one a file lies in."""
    if fs.isdir(path):
        return full_path(fs, path)
    while has_magic(path) and not fs.exists(path):
        path = posixpath.dirname(path)
    return full_path(fs, path if fs.isdir(path) else posixpath.dirname(path))


def _parquet_inputs(
    fs: fsspec.AbstractFileSystem, path: str, column: str | None, id_column: str | None, roots: Sequence[str]
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
                item = _row_input(where, row, name, identity, image)
                if item.row is None and not lies_below(item.path, roots):
                    raise BulkError(
                        f"row {row} of '{where}' names '{printable(item.path)}', which does not lie below "
                        f"'{roots[0]}'; name the folder it lies in with --allow if that is right."
                    )
                yield item
                row += 1


def _row_input(where: str, row: int, column: str, identity: object, image: str | None) -> ImageInput:
    if not image:
        # A row without a path has no bytes either; reading it says so.
        return ImageInput(f"{where}#{row}" if identity is None else str(identity), where, row, column)
    path = whole_path(image) if is_whole(image) else f"{where.rpartition('/')[0]}/{image}"
    return ImageInput(printable(path) if identity is None else str(identity), path)


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
    kind = _value_type(schema.field(head).type)
    for name in inner:
        is_field = pa.types.is_struct(kind) and kind.get_field_index(name) >= 0
        kind = _value_type(kind.field(name).type) if is_field else pa.null()
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        # The layout of Hugging Face's image datasets.
        column, kind = f"{column}.bytes", _value_type(kind.field("bytes").type)
    if any(matches(kind) for matches in _BYTES):
        return column, "bytes"
    if any(matches(kind) for matches in _TEXT) and not inner:
        return column, "path"
    raise BulkError(f"the column '{column}' of '{where}' holds {kind}, neither image bytes nor paths.")


_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def _value_type(kind: pa.DataType) -> pa.DataType:
    """What the values are, however they are stored: a categorical's categories, an extension's storage."""
    while pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType):
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind.storage_type
    return kind
