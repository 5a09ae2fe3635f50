"""A tower whose scores differ: an untrained one gives every photo almost the same embedding, and one score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.calibration import QUANTILES, Calibration
from facestats_export.clip import Clip
from facestats_export.graph import clip_module
from facestats_export.parity import torch_answers
from facestats_export.photos import parity_files
from facestats_export.regressor import Regressor, untrained_regressor

TINY = CLIPVisionConfig(
    hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, projection_dim=512, patch_size=32
)
"""ViT with CLIP's inputs and outputs; its export takes seconds."""

_ANCHOR = 10.0
"""Constant part of the pooled features, large beside what photos change."""


@dataclass(frozen=True)
class SpreadTower:
    """Files for ``facestats export --weights ... --regressor ... --calibration ...``.

    Attributes:
        snapshot: Folder of the CLIP model.
        regressor: State dict.
        calibration: Its calibration; the example photo's augmentations score from about 10 to 90.
    """

    snapshot: Path
    regressor: Path
    calibration: Path


def parity_pixels() -> np.ndarray:
    """[N, 224, 224, 3] uint8: what an export is proved on by default."""
    return np.stack([clip_pixels(decode_image(data)) for data in parity_files(None)])


def save_regressor(regressor: Regressor, path: Path) -> None:
    """Writes a state dict with the published files' keys."""
    state = {}
    for index, layer in enumerate(regressor.layers):
        state[f"net.{2 * index}.weight"] = torch.from_numpy(layer.weight)
        state[f"net.{2 * index}.bias"] = torch.from_numpy(layer.bias)
    torch.save(state, path)


def write_spread_tower(folder: Path, config: CLIPVisionConfig = TINY, seed: int = 0) -> SpreadTower:
    """Writes a tower, a regressor and its calibration on which different photos get different scores."""
    from facestats_export.checkpoints import load_regressor

    save_regressor(untrained_regressor(), folder / "regressor.pt")
    regressor = load_regressor(folder / "regressor.pt")
    direction = np.random.default_rng(seed).standard_normal(512)
    raw = write_snapshot(folder / "tower", direction / np.linalg.norm(direction), regressor, config, seed)
    margin = 0.1 * np.ptp(raw)
    quantiles = np.linspace(raw.min() - margin, raw.max() + margin, QUANTILES)
    Calibration("spread", regressor.sha256, len(raw), "a test", quantiles).save(folder / "calibration.json")
    return SpreadTower(folder / "tower", folder / "regressor.pt", folder / "calibration.json")


def write_snapshot(
    folder: Path, direction: np.ndarray, regressor: Regressor, config: CLIPVisionConfig, seed: int, share: float = 1.0
) -> np.ndarray:
    """Writes a CLIP snapshot whose embeddings lie around a direction.

    The pooled features' mean is taken out in ``post_layernorm.bias`` and a constant put in its place along the
    direction in which photos differ least; ``visual_projection`` turns that constant into ``direction``.

    Args:
        folder: Where to.
        direction: [512], unit length.
        regressor: What reads the embeddings.
        config: Size of the tower.
        seed: Of its random weights.
        share: Size of what photos change, beside the direction.

    Returns:
        [N] raw outputs for the default parity images.
    """
    torch.manual_seed(seed)
    model = CLIPVisionModelWithProjection(config).train(False)
    pixels = parity_pixels()
    with torch.no_grad():
        # Wider random weights make photos differ more.
        model.visual_projection.weight.normal_(0, config.hidden_size**-0.5)
        pooled = []
        hook = model.visual_projection.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0].clone()))
        torch_answers(clip_module(Clip(model, "test", trained=True)), regressor, pixels)
        hook.remove()
        features = torch.cat(pooled)
        mean = features.mean(0)
        _, values, basis = torch.linalg.svd(features - mean, full_matrices=True)
        quiet = basis[-1]
        spread = values[0] / len(features) ** 0.5
        layer_norm = model.vision_model.post_layernorm
        layer_norm.bias += _ANCHOR * spread * quiet - mean
        weight = model.visual_projection.weight
        weight -= torch.outer(weight @ quiet, quiet)
        weight *= share
        weight += torch.outer(torch.from_numpy(direction).float(), quiet) / _ANCHOR
    model.save_pretrained(folder)
    _, raw = torch_answers(clip_module(Clip(model, "test", trained=True)), regressor, pixels)
    return raw
