"""What the export tests share: a tower whose scores differ, its graph, and an export of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from rich.console import Console
from transformers import CLIPVisionModelWithProjection

from facestats_export.checkpoints import load_regressor
from facestats_export.clip import load_clip
from facestats_export.graph import clip_module, export_clip
from facestats_export.options import ExportOptions
from facestats_export.run import export_models
from facestats_export.summary import ExportReport
from facestats_export.tower import ServedTower
from tests.export.spread_tower import TINY, SpreadTower, parity_pixels, write_spread_tower


def spread_options(tower: SpreadTower, output: Path, **others: object) -> ExportOptions:
    """An export of this tower, not proved on Triton unless asked."""
    options = {
        "weights": str(tower.snapshot),
        "regressor": str(tower.regressor),
        "calibration": tower.calibration,
        "output": output,
        "compare_triton": False,
        "precision": "fp32",
    }
    return ExportOptions(**(options | others))  # type: ignore[arg-type]


def quietly(options: ExportOptions) -> ExportReport:
    """Exports without a progress display."""
    return export_models(options, Console(quiet=True))


def run_graph(graph: bytes, embeddings: np.ndarray, *outputs: str) -> list[np.ndarray]:
    """What a graph that reads ``EMBEDDING`` answers."""
    answer: list[np.ndarray] = onnxruntime.InferenceSession(graph).run(list(outputs), {"EMBEDDING": embeddings})
    return answer


@pytest.fixture(scope="session")
def tower(tmp_path_factory: pytest.TempPathFactory) -> SpreadTower:
    return write_spread_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture(scope="session")
def plain_options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of an export of a small tower with random weights as they come.

    The other one takes the photos' common part out, which bf16 has rounded by then: each precision's error is ten times
    as large as in a tower that is used as it is.
    """
    torch.manual_seed(0)
    snapshot = tmp_path_factory.mktemp("plain") / "tower"
    CLIPVisionModelWithProjection(TINY).save_pretrained(snapshot)
    return {"weights": str(snapshot), "regressor": "untrained", "compare_triton": False}


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    """[32, 224, 224, 3] uint8: the example photo in many disguises."""
    return parity_pixels()


@pytest.fixture(scope="session")
def encoder(tower: SpreadTower) -> onnx.ModelProto:
    """The tower's fp32 graph."""
    return export_clip(ServedTower(load_clip(str(tower.snapshot), print)))


@pytest.fixture(scope="session")
def embeddings(tower: SpreadTower, pixels: np.ndarray) -> np.ndarray:
    """[32, 512] float32, PyTorch's."""
    from facestats_export.parity import torch_answers

    module = clip_module(load_clip(str(tower.snapshot), print))
    return torch_answers(module, load_regressor(tower.regressor), pixels)[0]


@pytest.fixture(scope="session")
def exported(tower: SpreadTower, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """The tower's export; read only."""
    return quietly(spread_options(tower, tmp_path_factory.mktemp("exported") / "model_repository"))
