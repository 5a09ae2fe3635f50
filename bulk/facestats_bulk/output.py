"""The output folder: whole Parquet files only, and what they say is done."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem

from facestats.holistic.provenance import UNKNOWN
from facestats.images.suffixes import named_like_an_image
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import PARQUET_SUFFIXES, input_key
from facestats_bulk.locations import full_path, open_url

_METADATA_KEY = b"facestats"
_PART = re.compile(r"part-[0-9a-f]{32}\.parquet")
"""``Block.file_name``."""

_UNFINISHED = re.compile(rf"\.{_PART.pattern}\.[0-9a-f]{{32}}")
"""What a part is called until it is whole."""

_LITTER = frozenset({".DS_Store", ".gitignore", ".gitkeep", "Thumbs.db", "desktop.ini"})
"""What other programs put into every folder they see; a folder with nothing else is empty."""

_READERS = 16


@dataclass(frozen=True)
class BlockCounts:
    """What became of a block's inputs.

    Attributes:
        rows: Number of rows.
        problems: Problem code to number of rows.
    """

    rows: int
    problems: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """What earlier runs left in the folder.

    Attributes:
        keys: ``input_key`` of every input that has its row.
        files: Number of files.
    """

    keys: set[bytes]
    files: int


class OutputFolder:
    """A folder of Parquet files, local or on any ``fsspec`` file system; one run at a time writes to it.

    Args:
        url: Path or URL.
        identity: What all rows of the folder have in common: the model's receipt and the options that change scores.
    """

    def __init__(self, url: str, identity: Mapping[str, Any]) -> None:
        self._fs, path = open_url(url)
        self._path = path.rstrip("/")
        self.url = full_path(self._fs, self._path)
        self._identity = json.dumps(dict(identity), sort_keys=True)
        self._of_unknown_model = identity.get("model") == UNKNOWN

    def prepare(self) -> Finished:
        """Makes the folder, reads what is done, and removes what an interrupted run left half written.

        Nothing is removed before all that is there is known to be ours: by its name, and every whole file by what it
        says of itself.

        Raises:
            BulkError: It cannot be written to, or holds something else than this run's scores.
        """
        try:
            names = self._names()
            parts = sorted(filter(_PART.fullmatch, names))
            with ThreadPoolExecutor(_READERS) as pool:
                read = dict(zip(parts, pool.map(self._read_ids, parts), strict=True))
            whole = [ids for ids in read.values() if ids is not None]
            self._require_ours(names, proven=bool(whole))
            if whole and self._of_unknown_model:
                raise BulkError(
                    f"'{self.url}' holds scores of models that do not say what they are, so that nothing tells whether "
                    "they are those served now; use another folder, or export the models with `facestats export`."
                )
            self._fs.makedirs(self._path, exist_ok=True)
            torn = [name for name, ids in read.items() if ids is None]
            for name in (*torn, *filter(_UNFINISHED.fullmatch, names)):
                self._fs.rm_file(self._file(name))
        except OSError as error:
            raise BulkError(f"the output '{self.url}' cannot be used: {error}") from error
        keys: set[bytes] = set()
        for ids in whole:
            keys.update(input_key(identity) for identity in ids.to_pylist())
        return Finished(keys, len(whole))

    def _names(self) -> dict[str, bool]:
        """What lies in the folder: its name, and whether it is a folder itself.

        Raises:
            BulkError: The output is no folder, or is called like an input.
        """
        self._fs.invalidate_cache()
        if not self._fs.exists(self._path):
            if has_magic(self._path) or named_like_an_image(self._path) or self._path.endswith(PARQUET_SUFFIXES):
                raise BulkError(
                    f"the output '{self.url}' looks like an input; give the output's folder as the last argument."
                )
            return {}
        if not self._fs.isdir(self._path):
            raise BulkError(f"the output '{self.url}' cannot be used: it is a file; give a folder.")
        entries = {
            self._fs._strip_protocol(entry["name"]).rstrip("/"): entry["type"] == "directory"
            for entry in self._fs.ls(self._path, detail=True)
        }
        # Object stores may list the folder itself.
        return {path.rpartition("/")[2]: is_folder for path, is_folder in entries.items() if path != self._path}

    def _require_ours(self, names: Mapping[str, bool], proven: bool) -> None:
        """Refuses a folder with anything in it that is not ours.

        Args:
            names: What lies in it, and whether that is a folder.
            proven: Whether one of its files says that it is ours; such a folder may hold notes and the like too.
        """
        ours = {name for name in names if _PART.fullmatch(name) or _UNFINISHED.fullmatch(name)} | _LITTER
        for name in sorted(names.keys() - ours):
            if name.endswith(PARQUET_SUFFIXES):
                raise BulkError(f"'{self.url}' holds other Parquet files ({name}); use a folder of its own.")
            if named_like_an_image(name):
                raise BulkError(f"the output '{self.url}' looks like an input: it holds '{name}'; use another folder.")
            if not proven or names[name]:
                raise BulkError(f"the output '{self.url}' holds other things ('{name}'); use a folder of its own.")

    def counts(self, name: str) -> BlockCounts | None:
        """What a file of this run holds; ``None`` when it is not there."""
        if not self._fs.exists(self._file(name)):
            return None
        with self._fs.open(self._file(name), "rb") as file:
            return count_rows(pq.read_table(file, columns=["problem_type"]))

    def write(self, name: str, table: pa.Table) -> None:
        """Writes a file whole or not at all; one that is there is replaced.

        Raises:
            OSError: It cannot be written.
        """
        metadata = {**(table.schema.metadata or {}), _METADATA_KEY: self._identity}
        buffer = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
        data = buffer.getvalue().to_pybytes()
        if isinstance(self._fs, LocalFileSystem):
            # Unique, because a worker that was believed dead may still be writing the same block.
            _replace(Path(self._path, f".{name}.{uuid.uuid4().hex}"), Path(self._path, name), data)
        else:
            try:
                # Object stores show an object when all of it has arrived.
                self._fs.pipe_file(self._file(name), data)
            except Exception as error:
                raise OSError(repr(error)) from error

    def _file(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _read_ids(self, name: str) -> pa.ChunkedArray | None:
        """The ids in a file; ``None`` for one without an end, from a file system without whole writes."""
        try:
            with self._fs.open(self._file(name), "rb") as file:
                parquet = pq.ParquetFile(file)
                said = (parquet.schema_arrow.metadata or {}).get(_METADATA_KEY)
                ids = parquet.read(columns=["id"])["id"] if said is not None else None
        except (pa.ArrowInvalid, EOFError):
            return None
        if said is None:
            raise BulkError(f"'{self.url}' holds other Parquet files ({name}); use a folder of its own.")
        if said.decode() != self._identity:
            raise BulkError(
                f"'{self.url}' holds scores of {_difference(json.loads(said), json.loads(self._identity))}; "
                "use another folder, so that its rows can be compared."
            )
        return ids


def count_rows(table: pa.Table) -> BlockCounts:
    """Counts the rows of a block's table by problem code."""
    problems = Counter(urn.rpartition(":")[2] for urn in table["problem_type"].to_pylist() if urn is not None)
    return BlockCounts(len(table), dict(problems))


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    names = [name for name in new if old.get(name) != new[name]]
    return " and ".join(f"another {name}" for name in names) or "another release"


def _replace(partial: Path, path: Path, data: bytes) -> None:
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
