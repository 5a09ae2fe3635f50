"""The precisions' table: rows from parity reports, put between a page's marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.markdown import replace_marked
from benchmarks.precisions import precision, section


def engine(name: str, worst: float) -> dict[str, Any]:
    figures = {"mean": worst / 10, "p95": worst / 2, "worst": worst}
    return {"engine": name, "images": 32, "cosine": {"worst": worst / 1000}, "points": figures}


REPORT = {
    "provenance": {"weights": "untrained", "target": "cpu"},
    "scheme": "weights only",
    "comparisons": [engine("onnxruntime", 0.2), engine("triton, PIXELS", 0.3)],
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"0" * 2_000_000)
    return tmp_path / "model.onnx"


def test_a_row_holds_the_worst_engine_and_the_median_speed(model: Path) -> None:
    row = precision("int8", model, REPORT, [10.0, 40.0, 20.0])
    assert (row.engine, row.images) == ("onnxruntime", 32)
    assert (row.cosine, *row.points) == pytest.approx((0.0003, 0.03, 0.15, 0.3))
    assert (row.megabytes, row.images_per_second, row.spread) == (2.0, 20.0, 1.5)


def test_the_section_says_what_was_measured(model: Path) -> None:
    text = section([precision("int8", model, REPORT, [10.0, 40.0, 20.0])], rounds=3)
    assert "| int8 | onnxruntime | 2 | 3e-04 | 0.030 | 0.150 | 0.300 | 20.0 | 150% |" in text
    assert "**untrained** weights, 32 photos" in text
    assert "int8: weights only." in text


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b -->\n<!-- /b -->\nafter\n")
    replace_marked(page, "a", "new")
    assert page.read_text() == "before\n<!-- a -->\nnew\n<!-- /a -->\nbetween\n<!-- b -->\n<!-- /b -->\nafter\n"
    with pytest.raises(ValueError, match="<!-- c -->"):
        replace_marked(page, "c", "new")
