"""The served tower computes what transformers' does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from facestats_export.clip import Clip
from facestats_export.graph import clip_module, export_clip
from facestats_export.tower import ServedTower
from tests.export.spread_tower import TINY


def random_clip(config: CLIPVisionConfig) -> Clip:
    """A tower none of whose constants is zero or one, as fresh ones are: a bias left out would show."""
    torch.manual_seed(0)
    model = CLIPVisionModelWithProjection(config).train(False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name or "layrnorm" in name:
                parameter += 0.3 * torch.randn(parameter.shape)
    return Clip(model, "test", trained=True)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"patch_size": 16},
        {"num_hidden_layers": 1},
        {"hidden_act": "gelu"},
        {"hidden_size": 96, "num_attention_heads": 2},
    ],
    ids=str,
)
def test_it_is_transformers_tower(changes: dict[str, object], pixels: np.ndarray) -> None:
    clip = random_clip(CLIPVisionConfig(**(TINY.to_dict() | changes)))
    batch = torch.from_numpy(pixels[:6])
    with torch.inference_mode():
        reference, served = clip_module(clip)(batch), ServedTower(clip)(batch)
    assert reference.std(0).max() > 1e-3, "equal embeddings for all would prove nothing"
    torch.testing.assert_close(served, reference, atol=2e-6, rtol=0)


def test_it_leaves_the_tower_it_is_made_of_as_it_was(pixels: np.ndarray) -> None:
    clip = random_clip(TINY)
    before = {name: value.clone() for name, value in clip.model.state_dict().items()}
    ServedTower(clip)
    for name, value in clip.model.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=0, rtol=0)


def test_after_the_last_layer_only_the_class_token_is_computed(pixels: np.ndarray) -> None:
    graph = export_clip(ServedTower(random_clip(TINY))).graph
    shapes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in graph.value_info}
    norms = [shapes[node.output[0]] for node in graph.node if node.op_type == "LayerNormalization"]
    # Before the layers; two in the first, three in the last, of which one token asks and goes on; after them.
    assert [shape[1] for shape in norms] == [50, 50, 50, 50, 1, 1, 64]
