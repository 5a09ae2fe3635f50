"""The documentation's page of settings and problem types, made from their declarations.

``python -m facestats_docs.settings_table docs/settings.md``
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facestats.settings_group import SettingsGroup
from facestats_gateway.openapi import problem_types, settings_schema
from facestats_gateway.settings import Settings

_INTRODUCTION = """# Settings, limits and problem types

This page is generated (`make docs`) from `gateway/facestats_gateway/settings.py`,
`core/facestats/settings.py` and `core/facestats/problems.py`;
the OpenAPI document carries the same under `x-settings` and `x-problem-types`.

## Settings and limits

All come from the environment, and every default works. A wrong value ends the start with one sentence that names it.
A variable that is none of these is named in the log at the start and by `facestats doctor`, with what was meant.
Computed defaults follow the process's affinity and its container's CPU and memory limits.
Bulk scoring reads the groups that decide a score (model server, score, photos), the gateway all of them.
"""

_HEAD = """
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
    schema = {item["name"]: item for item in settings_schema()}
    settings = "".join(f"\n### {title}\n{_HEAD}" + _rows(schema, names) for title, names in setting_groups())
    problems = "".join(f"| `{kind['type']}` | {kind['status']} | {kind['title']} |\n" for kind in problem_types())
    return _INTRODUCTION + settings + _PROBLEMS + problems


def setting_groups() -> Iterator[tuple[str, list[str]]]:
    """Heading and environment variables of each group, in the order in which ``Settings`` names them."""
    for group in Settings.__mro__:
        names = [f"FACESTATS_{name.upper()}" for name in inspect.get_annotations(group)]
        if issubclass(group, SettingsGroup) and names and group is not SettingsGroup:
            yield (group.__doc__ or "").partition("\n")[0].removesuffix("."), names


def _rows(schema: Mapping[str, dict[str, Any]], names: Sequence[str]) -> str:
    return "".join(
        f"| `{name}` | {_default(item['default'])} | {_allowed(item)} | {item['description']} |\n"
        for name, item in ((name, schema[name]) for name in names)
    )


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
