"""The FaceStats regressor: any stack of linear layers with ReLU between them, read from its own file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats_export.clip import EMBEDDING_SIZE

UNTRAINED_SIZES = (EMBEDDING_SIZE, 256, 64, 1)
TRAINING_REPORT = "report.json"
"""File that ``facestats train`` writes beside a regressor."""

_UNTRAINED_SEED = 0


@dataclass(frozen=True)
class Layer:
    """A linear layer, y = weight x + bias.

    Attributes:
        weight: [out, in] float32.
        bias: [out] float32.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class Regressor:
    """A regressor from the embedding to one number.

    Attributes:
        layers: Its linear layers, ReLU between them.
        sha256: Hash of its file, hex; empty when untrained.
        trained: Whether its weights mean anything.
        training: On what it was trained, how well it does and when, one line; empty when nobody says.
    """

    layers: tuple[Layer, ...]
    sha256: str
    trained: bool
    training: str = ""

    @property
    def id(self) -> str:
        """What it is, for the provenance."""
        return f"sha256:{self.sha256}" if self.trained else "untrained"

    def predict(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Raw outputs, in double precision.

        Args:
            embeddings: [N, 512], L2-normalised.

        Returns:
            [N].
        """
        return run_layers(self.layers, embeddings)[:, 0]


def run_layers(layers: tuple[Layer, ...], inputs: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """What a stack of linear layers with ReLU between them computes, in double precision.

    Args:
        layers: The layers.
        inputs: [N, in].

    Returns:
        [N, out].
    """
    flow = inputs.astype(np.float64)
    for index, layer in enumerate(layers):
        flow = flow @ layer.weight.T.astype(np.float64) + layer.bias
        if index < len(layers) - 1:
            flow = np.maximum(flow, 0)
    return flow


def untrained_regressor() -> Regressor:
    """The published architecture with seeded random weights (He initialisation)."""
    generator = np.random.default_rng(_UNTRAINED_SEED)
    layers = tuple(
        Layer(
            (generator.standard_normal((out, into)) * np.sqrt(2.0 / into)).astype(np.float32),
            np.zeros(out, np.float32),
        )
        for into, out in pairwise(UNTRAINED_SIZES)
    )
    return Regressor(layers, "", trained=False)
