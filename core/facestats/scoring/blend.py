"""The final score: 60 % geometry, 40 % holistic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlendWeights:
    """Shares of the two halves; they sum to 1."""

    geometric: float = 0.6
    holistic: float = 0.4


def blend(geometric: float | None, holistic: float | None, weights: BlendWeights) -> float | None:
    """Weighted mean of the two halves.

    Args:
        geometric: Geometric score, 0..100; ``None`` when the photo does not support one.
        holistic: Calibrated holistic score, 0..100; ``None`` when there is none on that scale.
        weights: Shares of the halves.

    Returns:
        0..100, or ``None`` when either half is missing: one half alone is not on the scale of the blend.
    """
    if geometric is None or holistic is None:
        return None
    return weights.geometric * geometric + weights.holistic * holistic
