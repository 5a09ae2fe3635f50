"""The committed page of settings is the one the declarations give."""

from __future__ import annotations

from pathlib import Path

from facestats.problems import PROBLEM_TYPES
from facestats_docs.settings_table import setting_groups, settings_page
from facestats_gateway.settings import Settings


def test_committed_page_is_current(root: Path) -> None:
    assert (root / "docs" / "settings.md").read_text() == settings_page(), "run `make docs`"


def test_page_names_every_setting_and_problem() -> None:
    page = settings_page()
    for name in Settings.model_fields:
        assert f"`FACESTATS_{name.upper()}`" in page
    for kind in PROBLEM_TYPES.values():
        assert f"`{kind.urn}` | {kind.status} |" in page


def test_every_setting_stands_in_exactly_one_group() -> None:
    groups = list(setting_groups())
    names = [name for _, group in groups for name in group]
    assert sorted(names) == sorted(f"FACESTATS_{name.upper()}" for name in Settings.model_fields)
    assert all(title and len(group) <= 12 for title, group in groups)


def test_page_does_not_depend_on_the_machine() -> None:
    assert "| `FACESTATS_THREADS` | computed |" in settings_page()
