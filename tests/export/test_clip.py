"""Where CLIP's weights come from, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from facestats_export.clip import load_clip
from facestats_export.errors import ExportError
from tests.export.spread_tower import TINY, SpreadTower


def test_a_local_snapshot_is_loaded_in_evaluation_mode(tower: SpreadTower) -> None:
    clip = load_clip(str(tower.snapshot), pytest.fail)
    assert clip.trained
    assert clip.id == "local:tower"
    assert not clip.model.training
    assert {parameter.dtype for parameter in clip.model.parameters()} == {torch.float32}


def test_half_precision_snapshots_become_float32(tmp_path: Path) -> None:
    config = CLIPVisionConfig(**TINY.to_dict())
    torch.nn.Module.half(CLIPVisionModelWithProjection(config)).save_pretrained(tmp_path)
    clip = load_clip(str(tmp_path), pytest.fail)
    assert {parameter.dtype for parameter in clip.model.parameters()} == {torch.float32}


def save_with(folder: Path, **changes: int) -> str:
    CLIPVisionModelWithProjection(CLIPVisionConfig(**(TINY.to_dict() | changes))).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("changes", "why"), [({"projection_dim": 768}, "gives 768 numbers"), ({"image_size": 96}, "takes 96 pixels")]
)
def test_another_clip_is_refused(changes: dict[str, int], why: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=why):
        load_clip(save_with(tmp_path, **changes), pytest.fail)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = CLIPVisionModelWithProjection(TINY)
    with torch.no_grad():
        model.visual_projection.weight[5, 7] = float("nan")
    model.save_pretrained(tmp_path)
    with pytest.raises(ExportError, match="not finite"):
        load_clip(str(tmp_path), pytest.fail)


def test_damaged_and_incomplete_snapshots_are_refused(tower: SpreadTower, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no config\.json"):
        load_clip(str(tmp_path / "nothing"), pytest.fail)
    damaged = tmp_path / "damaged"
    shutil.copytree(tower.snapshot, damaged)
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ExportError, match="cannot be loaded"):
        load_clip(str(damaged), pytest.fail)
    deeper = tmp_path / "deeper"
    shutil.copytree(tower.snapshot, deeper)
    CLIPVisionConfig(**(TINY.to_dict() | {"num_hidden_layers": 3})).save_pretrained(deeper)
    with pytest.raises(ExportError, match="incomplete"):
        load_clip(str(deeper), pytest.fail)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache and a hub that nobody answers for."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")


@pytest.mark.integration
@pytest.mark.usefixtures("no_hub")
def test_without_a_hub_auto_says_so_and_builds_untrained_weights() -> None:
    said: list[str] = []
    clip = load_clip("auto", said.append)
    assert not clip.trained
    assert "untrained" in clip.id
    assert len(said) == 1
    assert "cannot be downloaded" in said[0]
    assert clip.model.config.hidden_size == 768
    with pytest.raises(ExportError, match="cannot be downloaded"):
        load_clip("hf", said.append)


@pytest.mark.integration
def test_untrained_weights_are_always_the_same() -> None:
    first, second = (load_clip("untrained", pytest.fail).model.visual_projection.weight for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
