"""What image files are called, where files are chosen by their names."""

from __future__ import annotations

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo"),
    *(".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs"),
)
"""Endings, in lower case, of the formats that are read (``facestats.images.imaging.FORMATS``)."""


def named_like_an_image(name: str) -> bool:
    """Whether a file's name, in whatever case, ends as an image's does."""
    return name.lower().endswith(IMAGE_SUFFIXES)
