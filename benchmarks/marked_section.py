"""The parts of a page that a command writes: between ``<!-- name -->`` and ``<!-- /name -->``."""

from __future__ import annotations

from pathlib import Path


def replace_marked(page: Path, name: str, text: str) -> None:
    """Puts the text between a page's two marks.

    Raises:
        ValueError: The page lacks the marks.
    """
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, start, rest = page.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not start or not end:
        raise ValueError(f"{page} has no section between {first} and {last}.")
    page.write_text(f"{before}{first}\n{text}\n{last}{after}")
