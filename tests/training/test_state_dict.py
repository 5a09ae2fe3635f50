"""What is written is read by every reader of such files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from facestats_export.checkpoints import load_regressor
from facestats_export.graph import regressor_graph
from facestats_export.regressor import Layer, run_layers
from facestats_training.state_dict import write_state_dict
from tests.export.conftest import run_graph
from tests.export.independent_score import regressor as independent

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.standard_normal((30, 512)).astype(np.float32)


@pytest.mark.parametrize("widths", [(512, 1), (512, 40, 1), (512, 40, 20, 1)], ids=["ridge", "one", "two"])
def test_every_reader_reads_it(widths: tuple[int, ...], tmp_path: Path) -> None:
    layers = tuple(
        Layer((RANDOM.normal(size=(out, into)) * 0.1).astype(np.float32), RANDOM.normal(size=out).astype(np.float32))
        for into, out in pairwise(widths)
    )
    path = tmp_path / "regressor.pt"
    write_state_dict(layers, path)
    expected = run_layers(layers, INPUTS)[:, 0]
    assert np.ptp(expected) > 0.1
    regressor = load_regressor(path)
    np.testing.assert_allclose(regressor.predict(INPUTS), expected, rtol=1e-6)
    assert regressor.training == "", "no report lies beside it"
    with torch.no_grad():
        found = independent(str(path), torch.from_numpy(INPUTS))[:, 0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    (raw,) = run_graph(regressor_graph(regressor.layers, None).SerializeToString(), INPUTS, "RAW")
    np.testing.assert_allclose(raw[:, 0], expected, rtol=1e-3, atol=1e-5)
    modules: list[torch.nn.Module] = []
    for layer in layers:
        modules += [torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0]), torch.nn.ReLU()]
    network = torch.nn.Module()
    network.net = torch.nn.Sequential(*modules[:-1])
    network.load_state_dict(torch.load(path, weights_only=True))
    before = path.read_bytes()
    write_state_dict(layers, path)
    assert path.read_bytes() == before
