"""The precisions' table: rows from parity reports, put between a page's marks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.markdown import replace_marked
from benchmarks.precisions import precision, section

ENGINES = [
    {"score_worst": 0.2, "score_mean": 0.05, "rank_correlation": 0.9999, "images": 32},
    {"score_worst": 0.3, "score_mean": 0.04, "rank_correlation": 0.9998, "images": 32},
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    report = {"provenance": {"weights": "untrained"}, "scheme": "weights only", "comparisons": ENGINES}
    (tmp_path / "parity.json").write_text(json.dumps(report))
    (tmp_path / "model.onnx").write_bytes(b"0" * 2_000_000)
    return tmp_path / "model.onnx"


def test_a_row_holds_the_worst_engine_and_the_median_speed(model: Path) -> None:
    row = precision("int8", model, [10.0, 40.0, 20.0])
    assert (row.worst, row.mean, row.rank_correlation, row.images) == (0.3, 0.05, 0.9998, 32)
    assert (row.megabytes, row.images_per_second, row.spread) == (2.0, 20.0, 1.5)


def test_the_section_says_what_was_measured(model: Path) -> None:
    text = section([precision("int8", model, [10.0, 40.0, 20.0])], rounds=3)
    assert "| int8 | 2 | 0.3000 | 0.0500 | 0.99980 | 20.0 | 150% |" in text
    assert "untrained weights, 32 photos" in text
    assert "int8: weights only." in text


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b -->\n<!-- /b -->\nafter\n")
    replace_marked(page, "a", "new")
    assert page.read_text() == "before\n<!-- a -->\nnew\n<!-- /a -->\nbetween\n<!-- b -->\n<!-- /b -->\nafter\n"
    with pytest.raises(ValueError, match="<!-- c -->"):
        replace_marked(page, "c", "new")
