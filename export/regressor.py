"""The FaceStats regressor: any stack of linear layers with ReLU between them, read from its own file."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.clip import EMBEDDING_SIZE
from export.errors import ExportError

UNTRAINED_SIZES = (EMBEDDING_SIZE, 256, 64, 1)
_UNTRAINED_SEED = 0
_WEIGHT_KEY = re.compile(r"^(?P<prefix>.*?)(?P<index>\d+)\.weight$")


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
    """

    layers: tuple[Layer, ...]
    sha256: str
    trained: bool

    @property
    def id(self) -> str:
        """What it is, for the provenance."""
        return f"sha256:{self.sha256}" if self.trained else "untrained"

    def predict(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw outputs, in double precision.

        Args:
            embeddings: [N, 512], L2-normalised.

        Returns:
            [N].
        """
        flow = embeddings.astype(np.float64)
        for index, layer in enumerate(self.layers):
            flow = flow @ layer.weight.T.astype(np.float64) + layer.bias
            if index < len(self.layers) - 1:
                flow = np.maximum(flow, 0)
        return flow[:, 0]


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


def load_regressor(path: Path) -> Regressor:
    """Reads a state dict of linear layers.

    Raises:
        ExportError: The file is not one, is damaged, or does not lead from 512 numbers to one.
    """
    import torch

    try:
        data = path.read_bytes()
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ExportError(f"the regressor '{path}' cannot be read ({error.strerror or error}).") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ExportError(
            f"the regressor '{path}' is no plain state dict of weights, or is damaged; nothing in it was executed "
            f"({str(error).splitlines()[0]})."
        ) from error
    if not isinstance(state, Mapping):
        raise ExportError(f"the regressor '{path}' holds a {type(state).__name__}, not a state dict.")
    tensors = {str(key): value.detach().float().numpy() for key, value in state.items() if hasattr(value, "detach")}
    return Regressor(_linear_stack(tensors, path), hashlib.sha256(data).hexdigest(), trained=True)


def _linear_stack(tensors: Mapping[str, NDArray[np.float32]], path: Path) -> tuple[Layer, ...]:
    found = sorted(
        (int(match["index"]), match["prefix"] + match["index"])
        for key in tensors
        if (match := _WEIGHT_KEY.match(key)) and tensors[key].ndim == 2
    )
    if not found or len(tensors) != 2 * len(found):
        raise ExportError(f"the regressor '{path}' is not a stack of linear layers; its keys are {sorted(tensors)}.")
    try:
        layers = tuple(Layer(tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for _, name in found)
    except KeyError as error:
        raise ExportError(f"the regressor '{path}' lacks {error}.") from error
    widths = [layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in layers)]
    expected = [layer.weight.shape[1] for layer in layers] + [1]
    if widths[0] != EMBEDDING_SIZE or widths != expected[:1] + expected[1:]:
        raise ExportError(
            f"the regressor '{path}' has layers of {' -> '.join(map(str, widths))}; it must lead from "
            f"{EMBEDDING_SIZE} to 1."
        )
    if not all(np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all() for layer in layers):
        raise ExportError(f"the regressor '{path}' holds weights that are not finite.")
    return layers
