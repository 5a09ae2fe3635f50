"""Perceptrons: the mean of several as one network, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facestats_export.regressor import Layer, run_layers
from facestats_training.perceptron import PerceptronForm, _Networks, train_perceptrons
from facestats_training.rated import RatedEmbeddings


@pytest.mark.parametrize("widths", [(20, 1), (20, 7, 1), (20, 7, 5, 1), (20, 6, 5, 4, 1)])
def test_folded_they_compute_their_mean(widths: tuple[int, ...]) -> None:
    networks = _Networks(widths, 3, torch.Generator().manual_seed(1))
    for bias in networks.biases:
        torch.nn.init.normal_(bias, generator=torch.Generator().manual_seed(2))
    inputs = np.random.default_rng(0).standard_normal((50, 20)).astype(np.float32)
    with torch.no_grad():
        expected = networks(torch.from_numpy(inputs).expand(3, -1, -1)).mean(0).numpy()
    assert np.ptp(expected) > 0.5
    folded = networks.folded()
    assert [layer.weight.shape[0] for layer in folded] == [3 * width for width in widths[1:-1]] + [1]
    np.testing.assert_allclose(run_layers(tuple(folded), inputs)[:, 0], expected, atol=1e-5)


def test_the_same_input_gives_the_same_bits_and_learns(aged: RatedEmbeddings) -> None:
    form = PerceptronForm((16,), seeds=3, weight_decay=4.0)
    first, second = (train_perceptrons(form, aged.embedding[:250], aged.rating[:250], 0) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.weight.tobytes() == other.weight.tobytes()
        assert one.bias.tobytes() == other.bias.tobytes()
    unseen = run_layers(first, aged.embedding[250:])[:, 0]
    assert np.corrcoef(unseen, aged.rating[250:])[0, 1] > 0.55
    assert abs(unseen.mean() - aged.rating.mean()) < 5, "in years"
    another = train_perceptrons(form, aged.embedding[:250], aged.rating[:250], 1)
    assert another[0].weight.tobytes() != first[0].weight.tobytes()


def test_ratings_that_are_all_the_same_teach_it_that_number(aged: RatedEmbeddings) -> None:
    layers: tuple[Layer, ...] = train_perceptrons(
        PerceptronForm((4,), seeds=2, weight_decay=1.0), aged.embedding, np.full(len(aged), 3.0), 0
    )
    np.testing.assert_allclose(run_layers(layers, aged.embedding), 3, atol=0.5)
