"""TIFF 6.0 and BigTIFF: the tags that make the pixels of the one picture that counts.

Pages, previews and thumbnails share a file. The picture is the first one at full resolution, whether it stands in the
chain of directories or, as DNG and NEF have it, among the sub-directories of a thumbnail.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from facestats.images.containers.directories import Directories, Directory, Field
from facestats.images.containers.orientation import ORIENTATION, turns_of_orientation
from facestats.images.containers.pixel_file import PixelFile, Samples, damaged
from facestats.images.signatures import unsupported

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANES = 256, 257, 258, 262, 277, 284
_SUB_DIRECTORIES, _SAMPLE_FORMAT = 330, 339

_PIXEL_TAGS = frozenset(
    {
        *(_WIDTH, _HEIGHT, _BITS, 259, _PHOTOMETRIC, 266, 273, _SAMPLES, 278, 279, _PLANES, 292, 293),
        *(317, 320, 322, 323, 324, 325, 338, _SAMPLE_FORMAT, 347),
        # Old-style JPEG, and YCbCr's coefficients, subsampling, positioning and reference black and white.
        *(512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532),
    }
)
_RAW_PHOTOMETRICS = frozenset({32803, 34892})
"""A colour filter array, and linear raw: what a camera's sensor saw, not a picture yet."""

_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1
_SHORT = 3
_MOST_DIRECTORIES = 64


@dataclass(frozen=True)
class _Page:
    """One picture of the file."""

    directory: Directory
    reduced: bool
    pixels: int
    photometric: int

    @property
    def is_raw(self) -> bool:
        return self.photometric in _RAW_PHOTOMETRICS


def pixels_of_tiff(data: bytes) -> PixelFile:
    """Points the file at a new directory with the picture's own tags only.

    Raises:
        ImageError: ``unsupported-format`` (camera raw), or ``truncated-image``.
    """
    if data[8:10] == b"CR":
        raise unsupported("camera raw (CR2)")
    directories = Directories(data)
    pages = list(_pages(directories))
    if not pages:
        raise damaged("it holds no picture")
    page = _main_page(pages)
    fields = {tag: field for tag, field in page.directory.fields.items() if tag in _PIXEL_TAGS}
    if directories.integer(fields.get(_PLANES), 1) == 2 and directories.integer(fields.get(_BITS), 1) > 8:
        # Pillow reads each plane as if it had 8 bits, and says nothing.
        raise unsupported("TIFF of more than 8 bits, one plane after the other")
    first = pages[0].directory.fields
    orientation = page.directory.fields.get(ORIENTATION, first.get(ORIENTATION))
    samples = _samples(directories, fields)
    return PixelFile(
        "TIFF",
        _with_directory(directories, fields),
        turns_of_orientation(directories.integer(orientation, 1)),
        frames=1,
        samples=samples,
    )


def _pages(directories: Directories) -> Iterator[_Page]:
    """Every picture, sub-directories after their own; bounded, and none twice."""
    seen: set[int] = set()
    pending = [directories.first]
    while pending and len(seen) < _MOST_DIRECTORIES:
        offset = pending.pop(0)
        if not offset or offset in seen:
            continue
        seen.add(offset)
        directory = directories.read(offset)
        inner = directories.integers(directory.fields.get(_SUB_DIRECTORIES))
        pending = [*inner, *pending, directory.next]
        if (page := _page(directories, directory)).pixels:
            yield page


def _page(directories: Directories, directory: Directory) -> _Page:
    def value(tag: int, default: int) -> int:
        return directories.integer(directory.fields.get(tag), default)

    # Bit 0: a smaller copy of another picture; bit 2: a transparency mask.
    reduced = bool(value(_NEW_SUBFILE_TYPE, 0) & 0b101) or value(_SUBFILE_TYPE, 1) == 2
    return _Page(directory, reduced, value(_WIDTH, 0) * value(_HEIGHT, 0), value(_PHOTOMETRIC, _WHITE_IS_ZERO))


def _main_page(pages: list[_Page]) -> _Page:
    pictures = [page for page in pages if not page.is_raw]
    full = [page for page in pictures if not page.reduced]
    main = next(iter(full or pictures), None)
    # Beside a camera's raw data whatever else there is is a preview, unless it is as large.
    if main is None or any(page.is_raw and (main.reduced or page.pixels > main.pixels) for page in pages):
        raise unsupported("camera raw")
    return main


def _samples(directories: Directories, fields: dict[int, Field]) -> Samples:
    """How grey samples are to be read; rewrites the tags so that every depth and byte order reaches the decoder."""
    photometric = directories.integer(fields.get(_PHOTOMETRIC), _WHITE_IS_ZERO)
    if photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) or directories.integer(fields.get(_SAMPLES), 1) != 1:
        return Samples()
    # Turned round after decoding, since the decoder does so up to 8 bits only.
    fields[_PHOTOMETRIC] = _short(directories, _BLACK_IS_ZERO)
    bits = directories.integer(fields.get(_BITS), 1)
    unsigned = directories.integer(fields.get(_SAMPLE_FORMAT), 1) in (1, 4)
    is_float = directories.integer(fields.get(_SAMPLE_FORMAT), 1) == 3
    if bits == 32 and unsigned:
        fields[_SAMPLE_FORMAT] = _short(directories, 2)
    white = None if is_float else (1 << (bits if unsigned else bits - 1)) - 1
    return Samples(white, unsigned and bits == 32, photometric == _WHITE_IS_ZERO)


def _short(directories: Directories, value: int) -> Field:
    packed = struct.pack(directories.order + "H", value)
    return Field(_SHORT, 1, packed.ljust(directories.word, b"\x00"))


def _with_directory(directories: Directories, fields: dict[int, Field]) -> bytes:
    """The file with a further directory at its end, which its header names as the only one.

    Values that stand elsewhere stay there: their offsets count from the file's start.
    """
    order, big = directories.order, directories.big
    data = directories.data + b"\x00" * (len(directories.data) % 2)
    offset = struct.pack(order + ("Q" if big else "I"), len(data))
    entries = b"".join(
        struct.pack(order + ("HHQ" if big else "HHI"), tag, field.type, field.count) + field.value
        for tag, field in sorted(fields.items())
    )
    count = struct.pack(order + ("Q" if big else "H"), len(fields))
    end = b"\x00" * directories.word
    head = data[: 8 if big else 4] + offset
    return head + data[len(head) :] + count + entries + end
