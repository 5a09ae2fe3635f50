"""Proof: what ONNX Runtime and Triton compute is what PyTorch computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facestats.holistic.provenance import NO_SCORE
from facestats.images.imaging import decode_image
from facestats_export import engines
from facestats_export.answers import Answers, batches, joined
from facestats_export.calibration import Calibration, measure_calibration
from facestats_export.engines import REFERENCE, Variant
from facestats_export.errors import ExportError
from facestats_export.regressor import Regressor

if TYPE_CHECKING:
    import torch

BATCH_LIMITS = {"fp32": 1e-4, "fp16": 0.05, "bf16": 1e-4, "int8": 0.05}
"""Largest allowed score difference between an image alone and the same image among others, points.

A millionth of the scale is about the step between two float32 numbers near 100.
"""

CALIBRATION_LIMIT = 1e-3
"""Largest allowed difference of a graph's SCORE from the calibration of its own RAW, points."""

TELLING_SPREAD = 15.0
"""Reference scores must differ by this many points for their drift to say anything."""

COMPANY = 16
"""Size of the batch in which an image must get the score it gets alone."""


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
    """Both graphs in this process, on the engines that Triton will run them on.

    Args:
        encoder: The image tower, ONNX bytes or a path.
        regressor: The regressor, ONNX bytes or a path.
        variant: What the image tower is computed in and on.
    """

    def __init__(self, encoder: bytes | str, regressor: bytes | str, variant: Variant = REFERENCE) -> None:
        self._encode = engines.encoder(encoder, variant)
        self._regressor = engines.onnx_session(regressor)

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """One run of the whole batch."""
        embedding = self._encode(pixels)
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
