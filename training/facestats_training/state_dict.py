"""A regressor as the state dict that every reader of FaceStats' files reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from facestats_export.regressor import Layer


def write_state_dict(layers: Sequence[Layer], path: Path) -> None:
    """Writes ``net.0``, ``net.2``, ...: linear layers, with ReLU in the places between.

    The same layers give the same bytes.
    """
    state = {}
    for index, layer in enumerate(layers):
        state[f"net.{2 * index}.weight"] = torch.from_numpy(layer.weight.copy())
        state[f"net.{2 * index}.bias"] = torch.from_numpy(layer.bias.copy())
    torch.save(state, path)
