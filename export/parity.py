"""Proof: what ONNX Runtime and Triton compute is what PyTorch computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.calibration import Calibration
from export.regressor import Regressor

if TYPE_CHECKING:
    import torch

SCORE_LIMITS = {"fp32": 0.05, "fp16": 0.5, "int8": 2.0}
"""Largest allowed score difference from PyTorch, points, by precision."""

BATCH_LIMITS = {"fp32": 0.001, "fp16": 0.05, "int8": 0.05}
"""Largest allowed score difference between an image alone and the same image among others, points."""

COMPANY = 16
"""Size of the batch in which an image must get the score it gets alone."""

_BATCH = 8


@dataclass(frozen=True)
class Answers:
    """What one engine computed for the parity images.

    Attributes:
        embedding: [N, 512].
        raw: [N].
        score: [N] points; NaN without a calibration.
    """

    embedding: NDArray[np.floating[Any]]
    raw: NDArray[np.floating[Any]]
    score: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Comparison:
    """One engine against PyTorch.

    Attributes:
        engine: Which one.
        images: Number of images.
        embedding_cosine_min: Smallest cosine of the two embeddings.
        raw_worst: Largest difference of RAW.
        score_worst: Largest difference of SCORE, points.
        score_mean: Mean difference of SCORE, points.
        rank_correlation: Spearman's between the two engines' RAW.
    """

    engine: str
    images: int
    embedding_cosine_min: float
    raw_worst: float
    score_worst: float
    score_mean: float
    rank_correlation: float

    def figures(self) -> dict[str, float | int | str]:
        """As plain values."""
        return asdict(self)


def compare(engine: str, reference: Answers, live: Answers) -> Comparison:
    """Compares an engine's answers with PyTorch's."""
    from scipy.stats import spearmanr

    cosine = (reference.embedding * live.embedding).sum(1) / (
        np.linalg.norm(reference.embedding, axis=1) * np.linalg.norm(live.embedding, axis=1)
    )
    drift = np.abs(reference.score - live.score)
    return Comparison(
        engine=engine,
        images=len(drift),
        embedding_cosine_min=float(cosine.min()),
        raw_worst=float(np.abs(reference.raw - live.raw).max()),
        score_worst=float(drift.max()),
        score_mean=float(drift.mean()),
        rank_correlation=float(spearmanr(reference.raw, live.raw).statistic),
    )


def torch_answers(
    module: torch.nn.Module,
    regressor: Regressor,
    pixels: NDArray[np.uint8],
    advance: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The reference: PyTorch's embeddings and raw outputs.

    Args:
        module: What ``clip_image_encoder`` computes.
        regressor: The regressor.
        pixels: [N, 224, 224, 3] uint8.
        advance: Called after each batch.

    Returns:
        [N, 512] float32 and [N] float64.
    """
    import torch

    parts = []
    with torch.inference_mode():
        for batch in _batches(pixels):
            parts.append(module(torch.from_numpy(batch)).numpy())
            advance()
    embedding = np.concatenate(parts)
    return embedding, regressor.predict(embedding)


def reference_answers(
    embedding: NDArray[np.float32], raw: NDArray[np.float64], calibration: Calibration | None
) -> Answers:
    """PyTorch's answers with the calibrated score."""
    score = np.full(len(raw), np.nan) if calibration is None else calibration.score(raw)
    return Answers(embedding, raw, score)


class OnnxGraphs:
    """Both graphs in ONNX Runtime, in this process.

    Args:
        encoder: The image tower, ONNX bytes or a path.
        regressor: The regressor, ONNX bytes or a path.
    """

    def __init__(self, encoder: bytes | str, regressor: bytes | str) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._encoder = onnxruntime.InferenceSession(encoder, options, providers=["CPUExecutionProvider"])
        self._regressor = onnxruntime.InferenceSession(regressor, options, providers=["CPUExecutionProvider"])

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One run of the whole batch."""
        (embedding,) = self._encoder.run(["EMBEDDING"], {"PIXELS": pixels})
        raw, score = self._regressor.run(["RAW", "SCORE"], {"EMBEDDING": embedding})
        return Answers(embedding, raw[:, 0], score[:, 0])

    def answers(self, pixels: NDArray[np.uint8]) -> Answers:
        """All images, in batches."""
        parts = [self.run(batch) for batch in _batches(pixels)]
        return Answers(
            np.concatenate([part.embedding for part in parts]),
            np.concatenate([part.raw for part in parts]),
            np.concatenate([part.score for part in parts]),
        )


def batch_dependence(graphs: OnnxGraphs, pixels: NDArray[np.uint8]) -> float:
    """How far an image's score depends on its neighbours.

    The first images are scored alone, then in the first, a middle and the last place of a batch of ``COMPANY`` others.

    Returns:
        Largest difference, points (of RAW x 100 without a calibration).
    """
    company = pixels[np.arange(1, COMPANY + 1) % len(pixels)]
    worst = 0.0
    for image in pixels[:: max(1, len(pixels) // 3)][:3]:
        alone = graphs.run(image[np.newaxis])
        for place in (0, COMPANY // 2, COMPANY):
            among = graphs.run(np.insert(company, place, image, axis=0))
            worst = max(worst, _difference(alone, among, place))
    return worst


def _difference(alone: Answers, among: Answers, place: int) -> float:
    if np.isnan(alone.score[0]):
        return abs(float(alone.raw[0] - among.raw[place])) * 100
    return abs(float(alone.score[0] - among.score[place]))


def _batches(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(pixels), _BATCH):
        yield pixels[start : start + _BATCH]
