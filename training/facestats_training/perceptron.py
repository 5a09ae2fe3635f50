"""Perceptrons of the served form: several seeds trained side by side, and their average as one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag

from facestats_export.regressor import Layer

_BATCH = 128
_LEARNING_RATE = 1e-3
_MOST_EPOCHS = 100
_PATIENCE = 15
"""Epochs in which no seed gets better, after which training ends."""

_HELD_OUT = 0.12
"""Share of the photos on which a seed decides when to stop; another share for every seed."""


@dataclass(frozen=True)
class PerceptronForm:
    """Size and training of a perceptron.

    Attributes:
        hidden: Widths of the hidden layers of one seed.
        seeds: Networks whose average is taken.
        weight_decay: Of AdamW.
    """

    hidden: tuple[int, ...]
    seeds: int
    weight_decay: float


def train_perceptrons(
    form: PerceptronForm, embedding: NDArray[np.float32], target: NDArray[np.float64], seed: int
) -> tuple[Layer, ...]:
    """Trains all seeds and folds their average into one network.

    Every seed has its own first weights, its own order of photos and its own photos to stop on; it keeps the weights
    that did best on these. Runs on one thread, so that the same input gives the same bits.

    Args:
        form: What to train.
        embedding: [N, D].
        target: [N].
        seed: Of everything random.

    Returns:
        Linear layers with ReLU between them.
    """
    generator = torch.Generator().manual_seed(seed)
    mean, scale = embedding.mean(0), 1 / embedding.std()
    middle, unit = float(target.mean()), float(target.std()) or 1.0
    inputs = torch.from_numpy((embedding - mean) * scale)
    targets = torch.from_numpy(((target - middle) / unit).astype(np.float32))
    networks = _Networks((embedding.shape[1], *form.hidden, 1), form.seeds, generator)
    networks.train(inputs, targets, form.weight_decay, generator)
    first, *others = networks.folded()
    weight = first.weight * scale
    bias = first.bias - weight @ mean
    layers = [Layer(weight.astype(np.float32), bias.astype(np.float32)), *others]
    last = layers[-1]
    layers[-1] = Layer(last.weight * np.float32(unit), last.bias * np.float32(unit) + np.float32(middle))
    return tuple(layers)


class _Networks:
    """Several networks of one form, as stacked weights."""

    def __init__(self, widths: Sequence[int], seeds: int, generator: torch.Generator) -> None:
        self.weights = [
            (
                torch.randn(seeds, into, out, generator=generator) * ((2 if out > 1 else 1) / into) ** 0.5
            ).requires_grad_()
            for into, out in pairwise(widths)
        ]
        self.biases = [torch.zeros(seeds, 1, out).requires_grad_() for out in widths[1:]]
        self.seeds = seeds

    @property
    def parameters(self) -> list[torch.Tensor]:
        return [*self.weights, *self.biases]

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """[seeds, N, D] to [seeds, N]."""
        flow = inputs
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            flow = torch.baddbmm(bias, flow, weight)
            if index < len(self.weights) - 1:
                flow = flow.relu()
        return flow[..., 0]

    def train(
        self, inputs: torch.Tensor, targets: torch.Tensor, weight_decay: float, generator: torch.Generator
    ) -> None:
        """AdamW on the squared error, each seed back to where its held-out photos liked it best."""
        count = len(targets)
        held = max(1, round(_HELD_OUT * count))
        orders = torch.stack([torch.randperm(count, generator=generator) for _ in range(self.seeds)])
        held_out, learnt = orders[:, :held], orders[:, held:]
        optimiser = torch.optim.AdamW(
            [{"params": self.weights, "weight_decay": weight_decay}, {"params": self.biases, "weight_decay": 0.0}],
            lr=_LEARNING_RATE,
        )
        least = torch.full((self.seeds,), float("inf"))
        best = [parameter.detach().clone() for parameter in self.parameters]
        waited = 0
        for _ in range(_MOST_EPOCHS):
            shuffled = torch.stack([row[torch.randperm(len(row), generator=generator)] for row in learnt])
            for batch in torch.split(shuffled, _BATCH, dim=1):
                loss = (self(inputs[batch]) - targets[batch]).square().mean(1).sum()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            with torch.no_grad():
                error = (self(inputs[held_out]) - targets[held_out]).square().mean(1)
                better = error < least
                least = torch.where(better, error, least)
                for kept, parameter in zip(best, self.parameters, strict=True):
                    kept[better] = parameter[better]
            waited = 0 if better.any() else waited + 1
            if waited >= _PATIENCE:
                break
        with torch.no_grad():
            for kept, parameter in zip(best, self.parameters, strict=True):
                parameter.copy_(kept)

    def folded(self) -> list[Layer]:
        """The mean of all networks as one: hidden units side by side, later hidden layers block by block.

        ReLU acts on each unit by itself, so this is exact but for rounding.
        """
        weights = [weight.detach().transpose(1, 2).numpy() for weight in self.weights]
        biases = [bias.detach()[:, 0].numpy() for bias in self.biases]
        if len(weights) == 1:
            return [Layer(weights[0].mean(0), biases[0].mean(0))]
        layers = [Layer(np.concatenate(weights[0]), np.concatenate(biases[0]))]
        for weight, bias in zip(weights[1:-1], biases[1:-1], strict=True):
            blocks = block_diag(*weight)
            layers.append(Layer(blocks, np.concatenate(bias)))
        return [*layers, Layer(np.concatenate(weights[-1], axis=1) / np.float32(self.seeds), biases[-1].mean(0))]
