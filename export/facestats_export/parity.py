"""Proof: what ONNX Runtime and Triton compute is what PyTorch computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from facestats.holistic.provenance import NO_SCORE
from facestats.images.imaging import decode_image
from facestats_export.calibration import Calibration, measure_calibration
from facestats_export.errors import ExportError
from facestats_export.regressor import Regressor

if TYPE_CHECKING:
    import torch

SCORE_LIMITS = {"fp32": 0.05, "fp16": 0.5, "int8": 2.0}
"""Largest allowed score difference from PyTorch, points, by precision."""

BATCH_LIMITS = {"fp32": 1e-4, "fp16": 0.05, "int8": 0.05}
"""Largest allowed score difference between an image alone and the same image among others, points.

At fp32 a millionth of the scale, about the step between two float32 numbers near 100.
"""

CALIBRATION_LIMIT = 1e-3
"""Largest allowed difference of a graph's SCORE from the calibration of its own RAW, points."""

TELLING_SPREAD = 15.0
"""Reference scores must differ by this many points for their drift to say anything."""

COMPANY = 16
"""Size of the batch in which an image must get the score it gets alone."""

_BATCH = 8


@dataclass(frozen=True)
class Answers:
    """What one engine computed for the parity images.

    Attributes:
        embedding: [N, 512].
        raw: [N].
        score: [N] points; ``NO_SCORE`` without a calibration.
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
        for batch in batches(pixels):
            parts.append(module(torch.from_numpy(batch)).numpy())
            advance()
    embedding = np.concatenate(parts)
    return embedding, regressor.predict(embedding)


def proving_calibration(calibration: Calibration | None, raw: NDArray[np.float64]) -> Calibration:
    """The scale on which drift is judged.

    It is the export's own calibration where the parity images' scores differ on it. Where they do not (no calibration,
    or images outside its range, whose scores are clamped) no drift could show, so it is the distribution of the parity
    images themselves.

    Raises:
        ExportError: The parity images cannot be told apart.
    """
    if calibration is not None and np.ptp(calibration.score(raw)) >= TELLING_SPREAD:
        return calibration
    if np.float32(raw.min()) == np.float32(raw.max()):
        raise ExportError(
            f"the regressor reads the same number from all parity images ({len(raw)}), so that no drift could show; "
            "give several different photos with --parity-images, or another regressor."
        )
    return measure_calibration("parity images", "", "the parity images", raw)


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
        return joined([self.run(batch) for batch in batches(pixels)])


def batch_dependence(graphs: OnnxGraphs, pixels: NDArray[np.uint8], calibration: Calibration) -> float:
    """How far an image's score depends on its neighbours.

    Images are scored alone, and in a batch of ``COMPANY`` others at every place of it.

    Args:
        graphs: What computes.
        pixels: [N, 224, 224, 3] uint8.
        calibration: Turns RAW into points.

    Returns:
        Largest difference, points.
    """
    batch = pixels[np.arange(COMPANY + 1) % len(pixels)]
    alone = calibration.score(np.concatenate([graphs.run(image[np.newaxis]).raw for image in batch]))
    return max(
        float(np.abs(alone - np.roll(calibration.score(graphs.run(np.roll(batch, shift, axis=0)).raw), -shift)).max())
        for shift in range(len(batch))
    )


def calibration_difference(answers: Answers, calibration: Calibration | None) -> float:
    """How far an engine's SCORE is from the calibration of its own RAW.

    Args:
        answers: The engine's.
        calibration: The export's; without one every SCORE must be ``NO_SCORE``.

    Returns:
        Largest difference, points; infinite where there is a score without a calibration.
    """
    if calibration is None:
        return 0.0 if (answers.score == NO_SCORE).all() else float("inf")
    return float(np.abs(answers.score - calibration.score(answers.raw)).max())


def preprocessing_difference(photos: Sequence[bytes], pixels: NDArray[np.uint8]) -> int:
    """Largest difference between our pixels and those of CLIP's own image processor, of 255.

    Args:
        photos: Encoded images.
        pixels: [N, 224, 224, 3] uint8, what we made of them.
    """
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(do_rescale=False, do_normalize=False)
    worst = 0
    for data, ours in zip(photos, pixels, strict=True):
        theirs = processor(Image.fromarray(decode_image(data)), return_tensors="np")["pixel_values"][0]
        worst = max(worst, int(np.abs(theirs.transpose(1, 2, 0).astype(int) - ours).max()))
    return worst


def batches(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The images in batches of ``_BATCH``."""
    for start in range(0, len(pixels), _BATCH):
        yield pixels[start : start + _BATCH]
