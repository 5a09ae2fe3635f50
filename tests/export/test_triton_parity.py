"""What a real Triton answers for an export that is not published yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facestats.models.repository import ENCODER, REGRESSOR
from facestats_export.configs import model_configs
from facestats_export.errors import ExportError
from facestats_export.facenets.parity import MediaPipeFaces
from facestats_export.photos import parity_files
from facestats_export.summary import ExportReport
from facestats_export.triton_parity import triton_answers, triton_obstacle


def test_obstacles_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert triton_obstacle("cpu") is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "not installed" in str(triton_obstacle("cpu"))


@pytest.mark.integration
def test_graphs_that_triton_does_not_load_are_one_sentence(
    exported: ExportReport, root: Path, pixels: np.ndarray
) -> None:
    source = root / "model_repository"
    graphs = {name: (exported.output / name / "1" / "model.onnx").read_bytes() for name in (ENCODER, REGRESSOR)}
    graphs[ENCODER] = graphs[ENCODER][:10_000]
    configs = model_configs(source, "cpu", "fp32", {}, ())
    with pytest.raises(ExportError, match="Triton does not serve this export"):
        triton_answers(source, graphs, configs, parity_files(None)[:1], pixels[:1], MediaPipeFaces((), ()))
