"""The machine's own matrix rate: what no engine can beat, and the share of it that CLIP's embeddings reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.in_process import time_calls
from benchmarks.measurement import Sample

TOWER_GFLOP = 8.8
"""Additions and multiplications of one image through ViT-B/32's image tower, billions: twice the multiplications of 12
layers (12 x 768^2 weights on 50 tokens, attention 2 x 50^2 x 768), 49 patches (3,072 x 768) and the projection."""

_SIDE = 2048


def matrix_rates(seconds: float) -> dict[str, Sample]:
    """Square matrix products by type: the sample's ``images_per_second`` is the rate in GFLOP/s (int8: GOP/s)."""
    a, b = torch.rand(_SIDE, _SIDE), torch.rand(_SIDE, _SIDE)
    half_a, half_b = a.bfloat16(), b.bfloat16()
    byte_a, byte_b = (a * 100).to(torch.int8), (b * 100).to(torch.int8)
    products: dict[str, Callable[[], Any]] = {
        "fp32": lambda: a @ b,
        "bf16": lambda: half_a @ half_b,
        # PyTorch's own name for it; there is no public one.
        "int8": lambda: torch._int_mm(byte_a, byte_b),
    }
    work = 2 * _SIDE**3 / 1e9
    found = {}
    with torch.inference_mode():
        for name, product in products.items():
            sample = time_calls(product, 1, seconds)
            found[name] = Sample(sample.images_per_second * work, sample.p50, sample.p95, sample.p99)
    return found
