"""TIFF files of any layout: what Pillow does not write."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SHORT, LONG, SUB_DIRECTORY = 3, 4, 13
Order = Literal["<", ">"]
Tags = Mapping[int, tuple[int, Sequence[int]]]
_CODES = {1: "B", 2: "B", SHORT: "H", LONG: "I", SUB_DIRECTORY: "I", 5: "II", 16: "Q"}


@dataclass(frozen=True)
class Page:
    """One picture of a TIFF.

    Attributes:
        tags: Its tags but those of its only strip: tag -> type and values.
        data: Its strip.
        inner: Pictures in its sub-directories.
    """

    tags: Tags
    data: bytes
    inner: Sequence[Page] = field(default_factory=tuple)


def page(samples: NDArray[np.generic], tags: Tags = {}, inner: Sequence[Page] = (), order: Order = "<") -> Page:  # noqa: B006
    """A picture from its samples, [H, W] or [H, W, C], of any depth, with what TIFF wants said of them.

    Args:
        samples: Integers or floats.
        tags: Further tags, or others in place of the usual ones.
        inner: Pictures in its sub-directories.
        order: Byte order.
    """
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    bits = samples.dtype.itemsize * 8
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    said: dict[int, tuple[int, Sequence[int]]] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * channels),
        259: (SHORT, [1]),
        262: (SHORT, [1 if channels == 1 else 2]),
        277: (SHORT, [channels]),
        278: (LONG, [height]),
        339: (SHORT, [kind] * channels),
    }
    return Page(said | dict(tags), samples.astype(samples.dtype.newbyteorder(order)).tobytes(), inner)


def tiff(*pages: Page, order: Order = "<", big: bool = False) -> bytes:
    """The file.

    Args:
        pages: The chain of pictures.
        order: ``<`` or ``>``.
        big: Write BigTIFF.
    """
    writer = _Writer(order, big)
    writer.link(writer.first_at, [writer.directory(one) for one in pages])
    return bytes(writer.data)


class _Writer:
    def __init__(self, order: str, big: bool) -> None:
        self.order, self.big = order, big
        self.word = "Q" if big else "I"
        mark = b"II" if order == "<" else b"MM"
        version = struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42)
        self.data = bytearray(mark + version)
        self.first_at = len(self.data)
        self.data += bytes(struct.calcsize(self.word))

    def link(self, at: int, directories: Sequence[tuple[int, int]]) -> None:
        """Writes each directory's offset where the one before it says what comes next."""
        for offset, next_at in directories:
            struct.pack_into(self.order + self.word, self.data, at, offset)
            at = next_at

    def directory(self, one: Page) -> tuple[int, int]:
        """Writes a picture; its directory's offset, and where the next one's goes."""
        strip = self._append(one.data)
        inner = [self.directory(sub)[0] for sub in one.inner]
        tags = {**one.tags, 273: (LONG, [strip]), 279: (LONG, [len(one.data)])}
        if inner:
            tags[330] = (SUB_DIRECTORY, inner)
        size = struct.calcsize(self.word)
        entries = []
        for tag, (kind, values) in sorted(tags.items()):
            packed = b"".join(struct.pack(self.order + _CODES[kind], value) for value in values)
            stored = packed if len(packed) <= size else struct.pack(self.order + self.word, self._append(packed))
            entries.append(
                struct.pack(self.order + "HH" + self.word, tag, kind, len(values)) + stored.ljust(size, b"\0")
            )
        count = struct.pack(self.order + ("Q" if self.big else "H"), len(entries))
        offset = self._append(count + b"".join(entries) + bytes(size))
        return offset, len(self.data) - size

    def _append(self, data: bytes) -> int:
        self.data += bytes(len(self.data) % 2)
        offset = len(self.data)
        self.data += data
        return offset
