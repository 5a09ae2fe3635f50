"""Measures a photo in this process (the geometric half) or through the running service (the holistic half)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import get_args

from facestats.faces.captures import capture
from facestats.geometry import GeometryDesign, GeometryError, measure
from facestats.geometry.capture import CaptureMode
from facestats.geometry.reference import Sex
from facestats.images.imaging import decode_image
from facestats.images.limits import ImageError
from facestats.landmarks.engine import LandmarkEngine
from facestats.landmarks.mediapipe_engine import MediaPipeEngine
from facestats_client import FaceStatsClient, ProblemError
from facestats_evaluation.augmentation import Photo
from facestats_evaluation.repeatability import Change, Look, changes, encoded


def geometric_look(engine: LandmarkEngine, rgb: Photo, mode: CaptureMode) -> Look | None:
    """The geometric half under every parameter set and design, from one capture."""
    found = capture(engine, rgb, mode)
    if found is None:
        return None
    scores: dict[str, float] = {}
    sexes: tuple[Sex | None, ...] = (None, "female", "male")
    try:
        for sex in sexes:
            for design in get_args(GeometryDesign):
                geometry = measure(found, sex, design)
                if geometry.score is not None:
                    scores[f"{mode}.{geometry.sex}.{design}"] = geometry.score
    except GeometryError:
        return None
    return Look(scores, geometry.quality.reliability, geometry.quality.face_width)


def geometric_changes(photos: Sequence[Path], advance: Callable[[], None]) -> list[Change]:
    """Repeated measurements of the geometric half, in both modes of capture.

    Args:
        photos: Image files, one face each; what is no image is left out.
        advance: Called after each photo.
    """
    seen: list[Change] = []
    modes: tuple[CaptureMode, ...] = ("stable", "fast")
    with closing(MediaPipeEngine()) as engine:
        for path in photos:
            try:
                rgb = decode_image(path.read_bytes())
            except ImageError:
                continue
            finally:
                advance()
            for mode in modes:
                seen += changes([rgb], lambda photo, mode=mode: geometric_look(engine, photo, mode))  # type: ignore[misc]
    return seen


def holistic_changes(photos: Sequence[Path], client: FaceStatsClient, advance: Callable[[], None]) -> list[Change]:
    """Repeated measurements of the holistic half of what a service serves; their kind is its receipt.

    Raises:
        FaceStatsError: The service cannot be reached or refuses to answer at all.
    """

    def look(rgb: Photo) -> Look | None:
        try:
            answer = client.score(encoded(rgb))
        except ProblemError as problem:
            if problem.status >= 500 or problem.status in (401, 429):
                raise
            return None
        half, quality = answer.face.holistic, answer.face.quality
        scores = {} if half is None or half.score is None else {answer.model.receipt: half.score}
        width = (answer.face.box[2] - answer.face.box[0]) * rgb.shape[1]
        return Look(scores, quality.reliability, width)

    seen: list[Change] = []
    for path in photos:
        try:
            rgb = decode_image(path.read_bytes())
        except ImageError:
            continue
        finally:
            advance()
        seen += changes([rgb], look)
    return seen
