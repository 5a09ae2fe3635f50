"""CLIP's image tower as it is served: the function of transformers' model, in fewer operations.

- Rescaling, mean and std are in the patch embedding's weights: the patches are multiplied as the bytes they are.
- After the last layer only the class token is read, so in that layer it alone is projected and sent through the MLP.
- Attention's scale is in the query's weights. The keys' bias adds the same to all of a query's products, which softmax
  does not see; the values' bias comes out of attention as it went in, because its weights sum to one, and is in the
  output projection's bias.

The export proves it against transformers' own model.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from facestats_export.clip import Clip
from facestats_export.graph import CLIP_MEAN, CLIP_STD


class ServedTower(nn.Module):
    """[N, 224, 224, 3] uint8 to [N, 512] float32 of unit length.

    Args:
        clip: The tower; its own modules are shared where they need no change.
    """

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        vision: Any = clip.model.vision_model
        self.patches = _Patches(vision.embeddings)
        self.pre_norm, self.post_norm = vision.pre_layrnorm, vision.post_layernorm
        self.layers = nn.ModuleList(_Layer(layer) for layer in vision.encoder.layers)
        self.projection = clip.model.visual_projection
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        """Embeds a batch."""
        tokens = self.pre_norm(self.patches(pixels))
        *layers, last = self.layers
        for layer in layers:
            tokens = layer(tokens, tokens.shape[1])
        tokens = last(tokens, 1)
        embedding = self.projection(self.post_norm(tokens[:, 0]))
        unit: Tensor = embedding / embedding.norm(dim=-1, keepdim=True)
        return unit


class _Patches(nn.Module):
    """Class token and patches with their positions: [N, 224, 224, 3] uint8 to [N, 1 + patches, width]."""

    def __init__(self, embeddings: Any) -> None:
        super().__init__()
        self.size: int = embeddings.patch_size
        self.grid: int = embeddings.image_size // self.size
        mean, std = (torch.tensor(values, dtype=torch.float64) for values in (CLIP_MEAN, CLIP_STD))
        # As a patch's bytes lie: rows, columns, RGB.
        kernel = embeddings.patch_embedding.weight.detach().double().permute(0, 2, 3, 1) / std
        position = embeddings.position_embedding.weight.detach().double()
        self.embed = _linear((kernel / 255).flatten(1))
        self.offset: Tensor
        self.register_buffer("offset", (position[1:] - (kernel * mean).sum((1, 2, 3))).float())
        self.class_token: Tensor
        self.register_buffer("class_token", (embeddings.class_embedding.detach() + position[0]).float().view(1, 1, -1))

    def forward(self, pixels: Tensor) -> Tensor:
        # TensorRT takes bytes only where they become floats at once.
        rows = pixels.to(torch.float32).reshape(-1, self.grid, self.size, self.grid, self.size * 3)
        patches = rows.transpose(2, 3).reshape(-1, self.grid**2, self.size**2 * 3)
        embedded = self.embed(patches) + self.offset
        return torch.cat([self.class_token.expand(embedded.shape[0], -1, -1), embedded], dim=1)


class _Layer(nn.Module):
    """One transformer layer for the first tokens, which attend to all."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention = layer.self_attn
        self.heads: int = attention.num_heads
        self.norm1, self.norm2, self.mlp = layer.layer_norm1, layer.layer_norm2, layer.mlp
        query, value, output = (
            (linear.weight.detach().double(), linear.bias.detach().double())
            for linear in (attention.q_proj, attention.v_proj, attention.out_proj)
        )
        self.query = _linear(query[0] * attention.scale, query[1] * attention.scale)
        self.key = _linear(attention.k_proj.weight.detach())
        self.value = _linear(value[0])
        self.output = _linear(output[0], output[1] + output[0] @ value[1])

    def forward(self, tokens: Tensor, count: int) -> Tensor:
        read, normed = tokens, self.norm1(tokens)
        asking = normed
        if count < tokens.shape[1]:
            read = tokens[:, :count]
            # Anew, not cut out: so a norm's output is read by linear layers alone (``facestats_export.smoothing``).
            asking = self.norm1(read)
        query, key, value = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projected in (self.query(asking), self.key(normed), self.value(normed))
        )
        weights = torch.softmax(query @ key.transpose(-1, -2), dim=-1)
        read = read + self.output((weights @ value).transpose(1, 2).flatten(2))
        encoded: Tensor = read + self.mlp(self.norm2(read))
        return encoded


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        linear.weight.copy_(weight)
        if bias is not None:
            linear.bias.copy_(bias)
    return linear
