"""Real CLIP embeddings that ship with the product: what untrained weights cannot give, the spread of real faces."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ReferenceFaces:
    """CLIP ViT-B/32 embeddings of synthetic portraits; ``reference/SOURCE.md`` says whose.

    Two of them have cosine 0.61 on average, as real faces do; untrained weights give 0.99.

    Attributes:
        embedding: [700, 512] float32, L2-normalised to 2e-4 (stored in half precision).
        age: [700] float32, a classifier's guess in years; NaN where there is none.
        sex: [700] text, ``female`` or ``male`` where a person checked it, else empty.
        ethnicity: [700] text, likewise.
    """

    embedding: NDArray[np.float32]
    age: NDArray[np.float32]
    sex: NDArray[np.str_]
    ethnicity: NDArray[np.str_]


def reference_faces() -> ReferenceFaces:
    """Reads the reference faces."""
    path = files("facestats_export") / "reference" / "sfhq-clip-700.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return ReferenceFaces(arrays["embedding"].astype(np.float32), arrays["age"], arrays["sex"], arrays["ethnicity"])


def disturbed(embedding: NDArray[np.floating[Any]], cosine: float, seed: int) -> NDArray[np.float64]:
    """The embeddings as an imprecise tower would give them: turned in random directions.

    Args:
        embedding: [N, D].
        cosine: Of each embedding and its disturbed self, 0..1.
        seed: Of the directions, which are uniform.

    Returns:
        [N, D], unit length.
    """
    unit = embedding.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    turn = np.random.default_rng(seed).standard_normal(unit.shape)
    turn -= (turn * unit).sum(1, keepdims=True) * unit
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    disturbed: NDArray[np.float64] = cosine * unit + np.sqrt(1 - cosine**2) * turn
    return disturbed
