"""The documentation's page of settings and problem types, made from their declarations.

``python -m facestats_docs.settings_table docs/settings.md``
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from facestats_gateway.openapi import problem_types, settings_schema

_INTRODUCTION = """# Settings, limits and problem types

This page is generated (`make docs`) from `core/facestats/settings.py` (scoring itself, wherever a photo is scored),
`gateway/facestats_gateway/settings.py` and `core/facestats/problems.py`; the OpenAPI document carries the same under
`x-settings` and `x-problem-types`.

## Settings and limits

All come from the environment, and every default works. A wrong value ends the start with one sentence that names it.

| variable | default | allowed | what it does |
|---|---|---|---|
"""

_PROBLEMS = """
## Problem types

Every error is an RFC 9457 document (`application/problem+json`) whose `type` never changes.

| `type` | status | title |
|---|---|---|
"""


def settings_page() -> str:
    """The whole page, Markdown."""
    settings = "".join(
        f"| `{item['name']}` | {_default(item['default'])} | {_allowed(item)} | {item['description']} |\n"
        for item in settings_schema()
    )
    problems = "".join(f"| `{kind['type']}` | {kind['status']} | {kind['title']} |\n" for kind in problem_types())
    return _INTRODUCTION + settings + _PROBLEMS + problems


def _default(value: object) -> str:
    return "computed" if value is None else "(empty)" if value == "" else f"`{value}`"


def _allowed(item: dict[str, Any]) -> str:
    if "enum" in item:
        return ", ".join(f"`{choice}`" for choice in item["enum"])
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    said = [f"{sign} {item[name]:g}" for name, sign in bounds.items() if name in item]
    return f"{item['type']} {', '.join(said)}".strip()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settings_page())
