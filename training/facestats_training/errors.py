"""What can go wrong in training."""

from __future__ import annotations

from facestats.errors import FaceStatsError


class TrainingError(FaceStatsError):
    """Nothing can be trained on this; the message is one sentence for a person."""
