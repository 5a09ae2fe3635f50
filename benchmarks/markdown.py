"""What commands write into pages: tables, between ``<!-- name -->`` and ``<!-- /name -->``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the heading, the first column is text, the others are figures."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" + "|---:" * (len(rows[0]) - 1) + "|")
    return "\n".join(lines)


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
