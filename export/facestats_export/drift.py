"""How far a tower's embeddings are from PyTorch's, and what that means for the scores of real faces.

The score is a percentile, so a tower's error has to be judged among embeddings as far apart as real faces' are. The
parity photos' own scores tell that only of trained weights and of photos that differ: untrained embeddings lie within
a cosine of 0.99, and a scale made of them shows every error tenfold. So each photo's error, as a vector, is added to
real embeddings (``facestats_export.reference_faces``), and the export's regressor says how many places it moves them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats_export.answers import Answers
from facestats_export.calibration import measure_calibration
from facestats_export.reference_faces import reference_faces
from facestats_export.regressor import Regressor

ALIKE = 0.95
"""Mean cosine of two photos' embeddings above which they lie closer together than photos of different faces do (0.61
on average in CLIP): their own scores then exaggerate drift and are reported, not judged."""


@dataclass(frozen=True)
class Figures:
    """Of a sample of errors, none negative.

    Attributes:
        mean: Its mean.
        p95: Its 95th percentile.
        worst: Its largest.
    """

    mean: float
    p95: float
    worst: float

    @classmethod
    def of(cls, errors: NDArray[np.floating[Any]]) -> Figures:
        """The figures of a sample, [N]."""
        return cls(float(np.mean(errors)), float(np.quantile(errors, 0.95)), float(np.max(errors)))

    def share_of(self, limits: Figures) -> float:
        """Largest quotient of a figure and its limit: 1 or less is within; infinite where one is not a number."""
        shares = [ours / limit for ours, limit in zip(asdict(self).values(), asdict(limits).values(), strict=True)]
        return max(share if share == share else float("inf") for share in shares)


@dataclass(frozen=True)
class Limits:
    """What a precision may change.

    Attributes:
        cosine: 1 - cosine of an embedding and PyTorch's, over the parity photos.
        points: Change of a real face's percentile.
    """

    cosine: Figures
    points: Figures


_COARSE = Limits(cosine=Figures(3e-4, 6e-4, 1e-3), points=Figures(0.7, 2.0, 5.0))
LIMITS = {
    "fp32": Limits(cosine=Figures(1e-8, 2e-8, 5e-8), points=Figures(0.01, 0.02, 0.05)),
    "fp16": Limits(cosine=Figures(1e-5, 2e-5, 5e-5), points=Figures(0.15, 0.4, 1.0)),
    "bf16": _COARSE,
    "int8": _COARSE,
}
"""By precision.

Two photos of one person differ by 2 points on average and 6 at the 95 % level; a coarse precision may cost a third of
that. On the published regressors errors of random direction cost, mean / 95 % / worst: 1 - cosine 1e-5 0.1 / 0.3 / 0.6
points, 6e-5 0.3 / 0.8 / 1.5, 2e-4 0.5 / 1.4 / 2.6, 5e-4 0.8 / 2.2 / 4.1, 1e-3 1.1 / 3.1 / 5.9.
"""


@dataclass(frozen=True)
class Comparison:
    """One engine against PyTorch.

    Attributes:
        engine: Which one.
        images: Number of parity photos.
        cosine: 1 - cosine of the two embeddings of a photo.
        points: Change of real faces' percentiles by the photos' errors.
        score: Change of the photos' own scores, points on the scale of the proof.
        raw_worst: Largest difference of a photo's RAW.
        rank_correlation: Spearman's between the two engines' RAW.
    """

    engine: str
    images: int
    cosine: Figures
    points: Figures
    score: Figures
    raw_worst: float
    rank_correlation: float

    def share_of_limits(self, precision: str, *, photos_differ: bool) -> float:
        """How much of what a precision may change is used up; 1 or less passes.

        Args:
            precision: Whose limits.
            photos_differ: Whether the photos' own scores are judged too.
        """
        limits = LIMITS[precision]
        judged = [self.cosine.share_of(limits.cosine), self.points.share_of(limits.points)]
        if photos_differ:
            judged.append(self.score.share_of(limits.points))
        return max(judged)

    def failures(self, precision: str, *, photos_differ: bool) -> list[str]:
        """What is past a limit, one clause each; ``share_of_limits`` has the arguments."""
        limits = LIMITS[precision]
        judged = [("1 - cosine", self.cosine, limits.cosine), ("real faces' points", self.points, limits.points)]
        if photos_differ:
            judged.append(("the photos' points", self.score, limits.points))
        return [
            f"{self.engine}: {name} mean {found.mean:.2g}, 95 % {found.p95:.2g}, worst {found.worst:.2g} "
            f"(limits {limit.mean:g}, {limit.p95:g}, {limit.worst:g})"
            for name, found, limit in judged
            if not found.share_of(limit) <= 1
        ]


class FaceScale:
    """Real faces on the scale of their own percentiles.

    Args:
        regressor: Reads their embeddings.
    """

    def __init__(self, regressor: Regressor) -> None:
        self._faces = _unit(reference_faces().embedding)
        self._regressor = regressor
        raw = regressor.predict(self._faces.astype(np.float32))
        self._calibration = measure_calibration("reference faces", regressor.sha256, "the reference faces", raw)
        self._score = self._calibration.score(raw)

    def changes(self, reference: NDArray[np.floating[Any]], live: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Absolute changes of the faces' percentiles by a tower's errors, each face having one photo's.

        Args:
            reference: [N, 512], PyTorch's embeddings of the parity photos.
            live: [N, 512], the tower's.

        Returns:
            [faces], points.
        """
        errors = _unit(live) - _unit(reference)
        disturbed = _unit(self._faces + errors[np.arange(len(self._faces)) % len(errors)])
        raw = self._regressor.predict(disturbed.astype(np.float32))
        changes: NDArray[np.float64] = np.abs(self._calibration.score(raw) - self._score)
        return changes


def compare(engine: str, reference: Answers, live: Answers, faces: FaceScale) -> Comparison:
    """Compares an engine's answers with PyTorch's, scores on the scale they are given on."""
    from scipy.stats import spearmanr

    cosine = (_unit(reference.embedding) * _unit(live.embedding)).sum(1)
    return Comparison(
        engine=engine,
        images=len(cosine),
        cosine=Figures.of(1 - cosine),
        points=Figures.of(faces.changes(reference.embedding, live.embedding)),
        score=Figures.of(np.abs(reference.score - live.score)),
        raw_worst=float(np.abs(reference.raw - live.raw).max()),
        rank_correlation=float(spearmanr(reference.raw, live.raw).statistic),
    )


def mean_cosine(embedding: NDArray[np.floating[Any]]) -> float:
    """Mean cosine of two different photos' embeddings; 1 of a single one.

    Args:
        embedding: [N, 512].
    """
    count = len(embedding)
    if count == 1:
        return 1.0
    total = float(np.square(_unit(embedding).sum(0)).sum())
    return (total - count) / (count * (count - 1))


def _unit(embedding: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    wide = embedding.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit
