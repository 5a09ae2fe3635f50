"""Which format a file has, by its first bytes: one that is read, another one, or none at all."""

from __future__ import annotations

from facestats.images.limits import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "GIF")
"""Pillow's names of the formats that are accepted, whatever the file is called."""

ISO_MEDIA = "ISO media"
"""A file of boxes; its codec decides between HEIF, AVIF and what is not read."""

_READ = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II\x2a\x00", "TIFF"),
    (b"MM\x00\x2a", "TIFF"),
    # Byte orders mixed up; seen in the wild, and Pillow reads them.
    (b"MM\x2a\x00", "TIFF"),
    (b"II\x00\x2a", "TIFF"),
    (b"II\x2b\x00", "TIFF"),
    (b"MM\x00\x2b", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)

_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
"""Sizes of a BMP's second header; two letters alone would be found in any text."""

_NOT_READ = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\x00\x00\x00\x0cjP\x1a\x1a\r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"II\xbc", "JPEG XR"),
    (b"FUJIFILMCCD-RAW", "camera raw (RAF)"),
    (b"IIRO", "camera raw (ORF)"),
    (b"IIRS", "camera raw (ORF)"),
    (b"MMOR", "camera raw (ORF)"),
    (b"IIU\x00", "camera raw (RW2)"),
    (b"FOVb", "camera raw (X3F)"),
    (b"\x00MRM", "camera raw (MRW)"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "camera raw (CRW)"),
    (b"8BPS", "PSD"),
    (b"gimp xcf", "XCF"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x02\x00", "CUR"),
    (b"icns", "ICNS"),
    (b"qoif", "QOI"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
    (b"DDS ", "DDS"),
    (b"\xabKTX ", "KTX"),
    (b"\x01\xda", "SGI"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"\x8aMNG", "MNG"),
    (b"\x8bJNG", "JNG"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"AT&TFORM", "DjVu"),
    (b"SIMPLE  =", "FITS"),
    (b"/* XPM", "XPM"),
    (b"\x1aE\xdf\xa3", "Matroska video"),
    (b"\x00\x00\x01\xba", "MPEG video"),
    (b"\x00\x00\x01\xb3", "MPEG video"),
    (b"FLV\x01", "Flash video"),
    (b"OggS", "Ogg video"),
    (b"0&\xb2u\x8ef\xcf\x11", "Windows Media video"),
)

_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_MARKUP_BYTES = 1024


def recognise(data: bytes) -> str:
    """One of ``FORMATS``, or ``ISO_MEDIA``.

    Raises:
        ImageError: ``unsupported-format`` for an image or video of another kind, else ``not-an-image``.
    """
    for signature, name in _READ:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return ISO_MEDIA
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if (other := _other_format(data)) is not None:
        raise unsupported(other)
    raise ImageError("not-an-image", f"The data is not an image of a supported format ({_names()}).")


def unsupported(what: str) -> ImageError:
    """The refusal of an image that is not read.

    Args:
        what: Its format, as the message names it.
    """
    return ImageError("unsupported-format", f"The image format is not supported ({what}); send one of {_names()}.")


def _other_format(data: bytes) -> str | None:
    for signature, name in _NOT_READ:
        if data.startswith(signature):
            return name
    if data[:1] == b"P" and data[1:2] in b"1234567Ff" and data[2:3] in (b" ", b"\t", b"\n", b"\r"):
        return "PNM"
    if data[:1] == b"\x0a" and data[1:2] in (b"\x00", b"\x02", b"\x03", b"\x05") and data[2:3] == b"\x01":
        return "PCX"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "AVI video"
    if data[:4] == b"\x01\x00\x00\x00" and data[40:44] == b" EMF":
        return "EMF"
    if data[4:8] in _QUICKTIME_BOXES:
        return "QuickTime video"
    if data[128:132] == b"DICM":
        return "DICOM"
    if data[-18:-2] == b"TRUEVISION-XFILE":
        return "TGA"
    return "SVG" if _is_svg(data[:_MARKUP_BYTES]) else None


def _is_svg(head: bytes) -> bool:
    for encoding, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        if head.startswith(mark):
            head = head[2:].decode(encoding, "ignore").encode()
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return head.startswith(b"<svg") or (head.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in head)


def _names() -> str:
    return ", ".join("HEIC" if name == "HEIF" else name for name in FORMATS)
