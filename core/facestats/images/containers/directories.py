"""Directories of tags (TIFF 6.0, section 2; BigTIFF), as TIFF files and EXIF blocks hold them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Field type -> bytes of one value."""

_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MOST_ENTRIES = 4096
_MOST_VALUES = 64
"""Of one field; a file made to keep us busy promises millions, and none that is asked for here has more."""


@dataclass(frozen=True)
class Field:
    """One entry of a directory, as stored.

    Attributes:
        type: TIFF's field type.
        count: Number of values.
        value: The value itself where it fits, else its offset; 4 bytes, 8 in a BigTIFF.
    """

    type: int
    count: int
    value: bytes


@dataclass(frozen=True)
class Directory:
    """Tag -> field, and the offset of the next directory (0: none)."""

    fields: Mapping[int, Field]
    next: int


class Directories:
    """Reads directories of a TIFF structure; what is cut off or points outside is left out, nothing raises.

    Args:
        data: The file or block, from its byte order mark on.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = b"\x2b" in data[2:4]
        self.first = self._integer(8, 8) if self.big else self._integer(4, 4)

    @property
    def word(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4

    def read(self, offset: int) -> Directory:
        """The directory at an offset; empty when there is none."""
        head, step = (8, 20) if self.big else (2, 12)
        count = min(self._integer(offset, head), _MOST_ENTRIES)
        start = offset + head
        fields: dict[int, Field] = {}
        for at in range(start, start + count * step, step):
            entry = self.data[at : at + step]
            if len(entry) < step:
                return Directory(fields, 0)
            tag, kind = struct.unpack_from(self.order + "HH", entry)
            (values,) = struct.unpack_from(self.order + ("Q" if self.big else "I"), entry, 4)
            fields.setdefault(tag, Field(kind, values, entry[-self.word :]))
        return Directory(fields, self._integer(start + count * step, self.word))

    def integers(self, field: Field | None) -> tuple[int, ...]:
        """A field's first values; none when it is absent, holds no integers, or lies outside the data."""
        if field is None or field.type not in _INTEGERS:
            return ()
        width, count = _SIZES[field.type], min(field.count, _MOST_VALUES)
        stored = field.value
        if width * field.count > self.word:
            offset = int.from_bytes(field.value, "little" if self.order == "<" else "big")
            stored = self.data[offset : offset + width * count]
        if len(stored) < width * count:
            return ()
        return struct.unpack_from(f"{self.order}{count}{_INTEGERS[field.type]}", stored)

    def integer(self, field: Field | None, default: int) -> int:
        """A field's first value."""
        return next(iter(self.integers(field)), default)

    def _integer(self, offset: int, size: int) -> int:
        stored = self.data[offset : offset + size]
        return int.from_bytes(stored, "little" if self.order == "<" else "big") if len(stored) == size else 0
