"""The documentation's table of metrics is the declaration's."""

from __future__ import annotations

from pathlib import Path

import pytest

from facestats.geometry import METRICS
from facestats_docs.geometry_table import metric_table, with_current_table


def test_the_committed_page_is_current(root: Path) -> None:
    page = (root / "docs" / "geometry.md").read_text("utf-8")
    assert with_current_table(page) == page, "run: python -m facestats_docs.geometry_table docs/geometry.md"


def test_every_metric_has_a_row() -> None:
    rows = metric_table().splitlines()
    assert len(rows) == len(METRICS) + 2
    assert len({row.count("|") for row in rows}) == 1


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers"):
        with_current_table("# Geometry\n")
