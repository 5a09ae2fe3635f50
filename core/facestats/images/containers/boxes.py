"""The boxes of ISO media files (ISO/IEC 14496-12) that describe a still picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_BOXES = 10_000
"""Side by side; real files have dozens, a file made to keep us busy has millions."""


@dataclass(frozen=True)
class Box:
    """A box: its type, and where its content lies in the file."""

    kind: bytes
    start: int
    end: int


@dataclass
class StillDescription:
    """What the ``meta`` box says of the items.

    Attributes:
        primary: Number of the primary item.
        types: Item -> its type.
        type_positions: Item -> where its type stands in the file.
        extents: Item -> offset and length of its first extent.
        references: (Kind of reference, item) -> the items it refers to.
        properties: Property boxes in their order.
        associations: Item -> its properties in their order, counted from 1.
    """

    primary: int = 0
    types: dict[int, bytes] = field(default_factory=dict)
    type_positions: dict[int, int] = field(default_factory=dict)
    extents: dict[int, tuple[int, int]] = field(default_factory=dict)
    references: dict[tuple[bytes, int], list[int]] = field(default_factory=dict)
    properties: list[Box] = field(default_factory=list)
    associations: dict[int, list[int]] = field(default_factory=dict)

    def properties_of(self, item: int) -> list[Box]:
        """An item's properties, in the order in which they apply."""
        numbers = self.associations.get(item, [])
        return [self.properties[number - 1] for number in numbers if 0 < number <= len(self.properties)]


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes side by side in a part of the file; ends where one does not fit."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, head = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            return
        yield Box(data[start + 4 : start + 8], start + head, start + size)
        start += size


def describe_still(data: bytes) -> StillDescription | None:
    """Reads the ``meta`` box; ``None`` when the file has none."""
    meta = next((box for box in boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    if meta is None:
        return None
    still = StillDescription()
    # Version and flags come first in a full box.
    inner = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    readers = {b"pitm": _read_primary, b"iinf": _read_types, b"iref": _read_references, b"iprp": _read_properties}
    for kind, reader in readers.items():
        if kind in inner:
            reader(data, inner[kind], still)
    if b"iloc" in inner:
        _read_extents(data, inner[b"iloc"], inner.get(b"idat"), still)
    return still


class _Cursor:
    """Reads big-endian integers; past the end everything is 0."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self.at, self.end = data, box.start, box.end

    def take(self, size: int) -> int:
        value = int.from_bytes(self._data[self.at : min(self.at + size, self.end)], "big")
        self.at += size
        return value

    def repeat(self, count: int) -> Iterator[int]:
        """Counts, but never past the end of the box, whatever was promised."""
        for index in range(count):
            if self.at >= self.end:
                return
            yield index


def _read_primary(data: bytes, box: Box, still: StillDescription) -> None:
    cursor = _Cursor(data, box)
    version = cursor.take(4) >> 24
    still.primary = cursor.take(4 if version else 2)


def _read_types(data: bytes, box: Box, still: StillDescription) -> None:
    cursor = _Cursor(data, box)
    version = cursor.take(4) >> 24
    cursor.take(4 if version else 2)
    for entry in boxes(data, cursor.at, box.end):
        inner = _Cursor(data, entry)
        version = inner.take(4) >> 24
        item = inner.take(4 if version == 3 else 2)
        inner.take(2)
        if entry.kind == b"infe" and version >= 2 and inner.at + 4 <= entry.end:
            still.types[item] = data[inner.at : inner.at + 4]
            still.type_positions[item] = inner.at


def _read_references(data: bytes, box: Box, still: StillDescription) -> None:
    size = 4 if data[box.start] else 2
    for reference in boxes(data, box.start + 4, box.end):
        cursor = _Cursor(data, reference)
        item = cursor.take(size)
        targets = still.references.setdefault((reference.kind, item), [])
        targets += [cursor.take(size) for _ in cursor.repeat(cursor.take(2))]


def _read_properties(data: bytes, box: Box, still: StillDescription) -> None:
    for part in boxes(data, box.start, box.end):
        if part.kind == b"ipco":
            still.properties = list(boxes(data, part.start, part.end))
        elif part.kind == b"ipma":
            cursor = _Cursor(data, part)
            version_flags = cursor.take(4)
            wide = version_flags & 1
            for _ in cursor.repeat(cursor.take(4)):
                item = cursor.take(4 if version_flags >> 24 else 2)
                numbers = still.associations.setdefault(item, [])
                # The highest bit says whether the property is essential.
                numbers += [
                    cursor.take(2) & 0x7FFF if wide else cursor.take(1) & 0x7F for _ in cursor.repeat(cursor.take(1))
                ]


def _read_extents(data: bytes, box: Box, inside: Box | None, still: StillDescription) -> None:
    cursor = _Cursor(data, box)
    version = cursor.take(4) >> 24
    sizes = cursor.take(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in cursor.repeat(cursor.take(4 if version == 2 else 2)):
        item = cursor.take(4 if version == 2 else 2)
        method = cursor.take(2) & 15 if version else 0
        cursor.take(2)
        base = cursor.take(base_size)
        for index in cursor.repeat(cursor.take(2)):
            cursor.take(index_size)
            offset, length = cursor.take(offset_size), cursor.take(length_size)
            # Method 1: within the meta box's own data.
            start = inside.start if method == 1 and inside is not None else 0
            if index == 0:
                still.extents[item] = start + base + offset, length
