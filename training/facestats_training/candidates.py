"""The kinds of regressor that training chooses from, the simplest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facestats_export.regressor import Layer

Fit = Callable[[NDArray[np.float32], NDArray[np.float64], int], tuple[Layer, ...]]
"""([N, D] embeddings, [N] targets, seed) to linear layers with ReLU between them."""

PENALTIES = np.logspace(-3, 3, 25)
"""Ridge penalties to choose from, by leave-one-out error."""


@dataclass(frozen=True)
class Candidate:
    """A kind of regressor.

    Attributes:
        name: Its name in the report.
        words: What it is, for the report.
        fit: Trains one.
    """

    name: str
    words: str
    fit: Fit


def candidates() -> tuple[Candidate, ...]:
    """All kinds, from the simplest."""
    return (
        Candidate("ridge", "linear, penalty by leave-one-out error (scikit-learn's RidgeCV)", fit_ridge),
        _perceptron((64,), 6.0),
        _perceptron((64, 32), 4.0),
    )


def fit_ridge(embedding: NDArray[np.float32], target: NDArray[np.float64], seed: int) -> tuple[Layer, ...]:
    """One linear layer; nothing in it is random."""
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(PENALTIES).fit(embedding.astype(np.float64), target)
    return (Layer(model.coef_[np.newaxis].astype(np.float32), np.array([model.intercept_], np.float32)),)


def _perceptron(hidden: tuple[int, ...], weight_decay: float) -> Candidate:
    from facestats_training.perceptron import PerceptronForm, train_perceptrons

    form = PerceptronForm(hidden, seeds=8, weight_decay=weight_decay)

    def fit(embedding: NDArray[np.float32], target: NDArray[np.float64], seed: int) -> tuple[Layer, ...]:
        return train_perceptrons(form, embedding, target, seed)

    return Candidate(
        f"perceptron-{'-'.join(map(str, hidden))}",
        f"mean of {form.seeds} networks with {' and '.join(map(str, hidden))} hidden units, "
        f"weight decay {weight_decay:g}, early stopping",
        fit,
    )
