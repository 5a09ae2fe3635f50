"""A block of inputs: what one worker scores in one go and writes as one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import pyarrow.parquet as pq

from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput
from facestats_bulk.locations import open_url

BLOCK_ATTEMPTS = 3
"""How often a block is tried whose worker dies; an image that kills its worker must not do so for ever."""

_ROWS_A_READ = 16
"""Rows of image bytes held at a time while a Parquet file is read."""


@dataclass(frozen=True)
class Block:
    """Some inputs, in a fixed order."""

    inputs: tuple[ImageInput, ...]

    @property
    def file_name(self) -> str:
        """Name of its output file: the same for the same inputs, so that a repeated write replaces the first."""
        digest = hashlib.blake2b(digest_size=16)
        for item in self.inputs:
            digest.update(item.key)
        return f"part-{digest.hexdigest()}.parquet"

    def to_json(self) -> str:
        """The block as text."""
        return json.dumps([astuple(item) for item in self.inputs])

    @staticmethod
    def from_json(text: str) -> Block:
        """The block of ``to_json``."""
        return Block(tuple(ImageInput(*fields) for fields in json.loads(text)))


@dataclass(frozen=True)
class Receipt:
    """What a worker says of a finished block.

    Attributes:
        rows: Rows written.
        problems: Problem code to number of rows.
        seconds: Time the block took.
        pid: The worker's process.
        node: The worker's Ray node.
    """

    rows: int
    problems: Mapping[str, int]
    seconds: float
    pid: int
    node: str


def split_blocks(inputs: Sequence[ImageInput], size: int) -> list[Block]:
    """Blocks of at most ``size`` inputs, in order."""
    return [Block(tuple(inputs[start : start + size])) for start in range(0, len(inputs), size)]


def read_file(path: str, limit: int) -> bytes:
    """An image file's bytes; of a larger one the first ``limit`` + 1.

    Raises:
        FileNotFoundError, PermissionError, ...: Whatever its file system raises.
    """
    fs, inner = open_url(path)
    with fs.open(inner, "rb") as file:
        data: bytes = file.read(limit + 1)
    return data


def read_rows(path: str, column: str, rows: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
    """The image bytes of some rows of a Parquet file, a few at a time.

    Args:
        path: The file.
        column: Column with bytes, with dots into structs.
        rows: Row numbers.

    Yields:
        Row number and its bytes, rising.

    Raises:
        BulkError: The file has fewer rows than it had.
    """
    fs, inner = open_url(path)
    wanted = sorted(rows)
    first = 0
    with fs.open(inner, "rb") as file:
        parquet = pq.ParquetFile(file)
        if wanted[-1] >= parquet.metadata.num_rows:
            raise BulkError(f"'{path}' has changed since it was listed.")
        for group in range(parquet.num_row_groups):
            end = first + parquet.metadata.row_group(group).num_rows
            inside = [row for row in wanted if first <= row < end]
            if inside:
                yield from _read_group(parquet, group, first, column, inside)
            first = end


def _read_group(
    parquet: pq.ParquetFile, group: int, first: int, column: str, rows: list[int]
) -> Iterator[tuple[int, bytes | None]]:
    wanted = iter(rows)
    row = next(wanted)
    for batch in parquet.iter_batches(_ROWS_A_READ, row_groups=[group], columns=[column]):
        values = batch.column(0)
        while row < first + len(values):
            value = values[row - first].as_py()
            for name in column.split(".")[1:]:
                value = None if value is None else value[name]
            yield row, value if isinstance(value, bytes) else None
            following = next(wanted, None)
            if following is None:
                return
            row = following
        first += len(values)
