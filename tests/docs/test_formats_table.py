"""The committed page of image formats is the one the tests' cases give."""

from __future__ import annotations

from pathlib import Path

from facestats.images.signatures import FORMATS
from facestats_docs.formats_table import formats_page


def test_committed_page_is_current(root: Path) -> None:
    assert (root / "docs" / "formats.md").read_text("utf-8") == formats_page(), "run `make docs`"


def test_page_has_every_format_that_is_read() -> None:
    page = formats_page()
    for name in FORMATS:
        assert f"\n## { ({'WEBP': 'WebP', 'HEIF': 'HEIC'}.get(name, name)) }\n" in page
