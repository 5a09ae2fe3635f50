"""What a caller may choose of a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facestats.geometry import CaptureMode, Sex

Crop = Literal["aligned", "full"]
Faces = Literal["largest", "all"]
"""Which faces of a photo are scored."""
Extra = Literal["landmarks", "embedding", "overlay"]


@dataclass(frozen=True)
class ScoreOptions:
    """What a caller may choose.

    Attributes:
        crop: What CLIP sees: the face aligned as FFHQ does, or the whole image.
        all_faces: Every face up to the limit, instead of the largest.
        sex: Parameter set of the geometry; pooled when ``None``.
        capture: Two-pass (``stable``) or one-pass (``fast``) landmarks.
        include: Further parts of the answer.
    """

    crop: Crop = "aligned"
    all_faces: bool = False
    sex: Sex | None = None
    capture: CaptureMode = "stable"
    include: frozenset[Extra] = frozenset()

    @property
    def large_answer(self) -> bool:
        """Whether the answer is so large that making it on an event loop would hold up other requests."""
        return self.all_faces or bool(self.include)
