"""HEIC and AVIF (ISO/IEC 23008-12): which codec, which orientation.

The codec of the primary picture decides, not the brand that the file puts first: a conforming AVIF or HEIC may lead
with ``mif1``, ``miaf`` and others.
"""

from __future__ import annotations

from PIL import Image

from facestats.images.containers.boxes import StillDescription, describe_still
from facestats.images.containers.orientation import turns_of_exif
from facestats.images.containers.pixel_file import PixelFile, damaged
from facestats.images.signatures import unsupported

_CODECS = {b"av01": "AVIF", b"hvc1": "HEIF", b"hev1": "HEIF"}
_NAMES = {"AVIF": b"avif", "HEIF": b"heic"}
_SEQUENCES = {b"avis": "AVIF", b"hevc": "HEIF", b"hevx": "HEIF", b"hevm": "HEIF", b"hevs": "HEIF", b"msf1": "HEIF"}
"""Brands of picture sequences, which need no primary picture."""
_PICTURE_BRANDS = frozenset({*_NAMES.values(), b"heix", b"mif1", b"mif2", b"miaf"})
_OTHERS = {
    b"crx ": "camera raw (CR3)",
    b"qt  ": "QuickTime video",
    b"jxl ": "JPEG XL",
    b"jp2 ": "JPEG 2000",
    b"jpx ": "JPEG 2000",
}
_METADATA = frozenset({b"Exif", b"mime", b"uri "})
_MIRRORS = (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.FLIP_LEFT_RIGHT)
"""By ``imir``'s axis."""
_ROTATIONS = (
    (),
    (Image.Transpose.ROTATE_90,),
    (Image.Transpose.ROTATE_180,),
    (Image.Transpose.ROTATE_270,),
)
"""By ``irot``'s angle: quarter turns against the clock, as Pillow counts too."""


def still_of_boxes(data: bytes) -> PixelFile:
    """Hands the picture to the decoder of its codec, with the metadata items taken out of its sight.

    The container's own turns (``irot``, ``imir``) count where there are any, since EXIF then repeats them; else EXIF's
    orientation counts.

    Raises:
        ImageError: ``unsupported-format`` (another codec, raw, video), or ``truncated-image``.
    """
    length = int.from_bytes(data[:4], "big")
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, min(length, 256), 4))]
    if brands[0] in _OTHERS:
        raise unsupported(_OTHERS[brands[0]])
    still = describe_still(data)
    if still is None or still.primary not in still.types:
        return _sequence(data, brands)
    codec = _codec(still)
    own_turns = _own_turns(data, still)
    exif_turns = _exif_turns(data, still)
    # libheif turns the picture by the container's properties itself, libavif leaves that to us.
    turns = exif_turns if own_turns is None else own_turns if codec == "AVIF" else ()
    frames = None if codec == "AVIF" else 1
    return PixelFile(codec, _readable(data, codec, still), turns, frames)


def _sequence(data: bytes, brands: list[bytes]) -> PixelFile:
    for brand in brands:
        if brand in _SEQUENCES:
            return PixelFile(_SEQUENCES[brand], data)
    if _PICTURE_BRANDS.isdisjoint(brands):
        raise unsupported("MP4 video")
    raise damaged("it holds no picture")


def _codec(still: StillDescription) -> str:
    item = still.primary
    # A grid or an overlay is made of other items; a few steps lead to one that is coded.
    for _ in range(4):
        kind = still.types.get(item, b"")
        if kind in _CODECS:
            return _CODECS[kind]
        item = next(iter(still.references.get((b"dimg", item), ())), 0)
    kind = still.types[still.primary]
    raise unsupported(f"HEIF with the codec {kind.decode('latin-1').strip()}")


def _own_turns(data: bytes, still: StillDescription) -> tuple[Image.Transpose, ...] | None:
    """The turns of ``irot`` and ``imir`` in their order; ``None`` where the picture has neither."""
    turns: list[Image.Transpose] = []
    found = False
    for box in still.properties_of(still.primary):
        if box.kind in (b"irot", b"imir") and box.end > box.start:
            found = True
            value = data[box.start]
            turns += _ROTATIONS[value & 3] if box.kind == b"irot" else (_MIRRORS[value & 1],)
    return tuple(turns) if found else None


def _exif_turns(data: bytes, still: StillDescription) -> tuple[Image.Transpose, ...]:
    for item, kind in still.types.items():
        described = still.references.get((b"cdsc", item), [still.primary])
        if kind == b"Exif" and still.primary in described and item in still.extents:
            start, length = still.extents[item]
            block = data[start : start + length]
            # The block begins with the distance from here to the TIFF header; some writers get it wrong.
            skip = int.from_bytes(block[:4], "big")
            return turns_of_exif(block[4 + skip :]) or turns_of_exif(block[4:])
    return ()


def _readable(data: bytes, codec: str, still: StillDescription) -> bytes:
    """The file under a brand that its decoder knows, its metadata items renamed to a type that nobody reads."""
    changed = bytearray(data)
    if data[8:12] not in (b"avis", b"heix"):
        changed[8:12] = _NAMES[codec]
    for item, at in still.type_positions.items():
        if still.types[item] in _METADATA:
            changed[at : at + 4] = b"skip"
    return bytes(changed)
