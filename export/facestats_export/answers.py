"""What an engine computed for the parity photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats_export.calibration import Calibration

_BATCH = 8


@dataclass(frozen=True)
class Answers:
    """What one engine computed for the parity images.

    Attributes:
        embedding: [N, 512].
        raw: [N].
        score: [N] points; ``NO_SCORE`` (``facestats.holistic.provenance``) without a calibration.
    """

    embedding: NDArray[np.floating[Any]]
    raw: NDArray[np.floating[Any]]
    score: NDArray[np.floating[Any]]

    def on(self, calibration: Calibration) -> Answers:
        """The same answers with the scores of another calibration."""
        return Answers(self.embedding, self.raw, calibration.score(self.raw))


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers for several batches as one."""
    return Answers(
        np.concatenate([part.embedding for part in parts]),
        np.concatenate([part.raw for part in parts]),
        np.concatenate([part.score for part in parts]),
    )


def batches(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The images in batches of ``_BATCH``."""
    for start in range(0, len(pixels), _BATCH):
        yield pixels[start : start + _BATCH]
