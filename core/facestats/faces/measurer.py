"""The gateway's own half of the work, on one thread: a photo's bytes to measured faces and CLIP pixels."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facestats.deadline import Deadline
from facestats.faces.captures import capture_all
from facestats.faces.conditions import Conditions, examine
from facestats.faces.options import ScoreOptions
from facestats.faces.overlay import draw_overlay, encode_overlay
from facestats.faces.turned import View
from facestats.geometry import Capture, Geometry, GeometryDesign, GeometryError, measure
from facestats.images.alignment import aligned_crop
from facestats.images.imaging import OpenedImage, open_image
from facestats.images.limits import ImageError, ImageLimits
from facestats.images.preprocessing import clip_pixels
from facestats.landmarks.engine import LandmarkEngine
from facestats.landmarks.engines import LandmarkEngines
from facestats.problems import Problem

_NO_FACE = (
    "No face was found in the image; send a photo with one clearly visible face, and come closer if it is small: "
    "a face should fill at least a fifth of the photo's height."
)


@dataclass(frozen=True)
class MeasuredFace:
    """One face, measured.

    Attributes:
        capture: Its landmarks.
        geometry: Its geometric score and everything behind it.
        conditions: What light, focus and framing did to the photo.
        overlay: JPEG bytes of the photo with the measurements, when asked for.
    """

    capture: Capture
    geometry: Geometry
    conditions: Conditions
    overlay: bytes | None


@dataclass(frozen=True)
class MeasuredPhoto:
    """A photo on its way to Triton.

    Attributes:
        faces: Largest first, at least one.
        pixels: [N, 224, 224, 3] uint8: one crop a face, or a single one of the whole image for ``crop=full``.
        seconds: Time by stage: ``queue``, ``decode``, ``landmarks``, ``geometry``.
    """

    faces: tuple[MeasuredFace, ...]
    pixels: NDArray[np.uint8]
    seconds: dict[str, float] = field(default_factory=dict)


class FaceMeasurer:
    """A pool of threads, each with a landmark engine of its own for its whole life.

    Args:
        threads: Number of threads.
        limits: What images are refused.
        max_faces: Most faces of one photo.
        design: Geometric design.
        engines: What finds landmarks.
    """

    def __init__(
        self, threads: int, limits: ImageLimits, max_faces: int, design: GeometryDesign, engines: LandmarkEngines
    ) -> None:
        self.limits = limits
        self._max_faces = max_faces
        self._design = design
        self._engines = engines
        self._local = threading.local()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="faces")
        self._threads = threads

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The pool, to submit ``measure_photo`` to."""
        return self._executor

    def warm_up(self) -> None:
        """Opens every thread's landmark engine, so that the first requests do not pay for it.

        Raises:
            LandmarkEngineError: It does not run here, or finds other landmarks than at the export.
        """
        barrier = threading.Barrier(self._threads)

        def load() -> None:
            barrier.wait()
            self._engine().detect([np.full((128, 128, 3), 127, np.uint8)])

        for future in [self._executor.submit(load) for _ in range(self._threads)]:
            future.result()

    def close(self) -> None:
        """Finishes the running photos and ends the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def open(self, data: bytes) -> OpenedImage:
        """Reads what a photo's header says and applies the limits, without decoding.

        Raises:
            Problem: The image cannot be used.
        """
        try:
            return open_image(data, self.limits)
        except ImageError as error:
            raise Problem(error.code, str(error)) from error

    def measure_photo(
        self, image: OpenedImage, options: ScoreOptions, deadline: Deadline, submitted: float
    ) -> MeasuredPhoto:
        """Decodes a photo, finds and measures its faces and cuts out what CLIP will see.

        Args:
            image: The photo, from ``open``.
            options: The caller's choices.
            deadline: Checked between the stages.
            submitted: ``time.perf_counter()`` when the photo was queued.

        Raises:
            Problem: The image cannot be used, holds no usable face, or time ran out.
        """
        clock = _StageClock(submitted)
        clock.lap("queue")
        deadline.check()
        try:
            rgb = image.decode()
        except ImageError as error:
            raise Problem(error.code, str(error)) from error
        clock.lap("decode")
        deadline.check()
        captures = self._capture(rgb, options)
        clock.lap("landmarks")
        deadline.check()
        faces = self._measure_faces(rgb, captures, options)
        if options.crop == "full":
            pixels = clip_pixels(View.of(rgb, faces[0].capture.turns).rgb)[np.newaxis]
        else:
            pixels = np.stack([clip_pixels(aligned_crop(rgb, face.capture.photo_points())) for face in faces])
        clock.lap("geometry")
        return MeasuredPhoto(faces, pixels, clock.seconds)

    def _engine(self) -> LandmarkEngine:
        engine: LandmarkEngine | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = self._engines.open(self._max_faces)
        return engine

    def _capture(self, rgb: NDArray[np.uint8], options: ScoreOptions) -> Sequence[Capture]:
        found = capture_all(self._engine(), rgb, options.capture, self._max_faces if options.all_faces else 1)
        if not found:
            raise Problem("no-face", _NO_FACE)
        return found

    def _measure_faces(
        self, rgb: NDArray[np.uint8], captures: Sequence[Capture], options: ScoreOptions
    ) -> tuple[MeasuredFace, ...]:
        """Measures each face; one of several that cannot be measured is left out."""
        faces: list[MeasuredFace] = []
        failure: GeometryError | None = None
        for found in captures:
            try:
                faces.append(self._measure_face(rgb, found, options))
            except GeometryError as error:
                failure = error
        if not faces:
            raise Problem("unusable-face", f"The face's landmarks cannot be measured: {failure}") from failure
        return tuple(faces)

    def _measure_face(self, rgb: NDArray[np.uint8], found: Capture, options: ScoreOptions) -> MeasuredFace:
        geometry = measure(found, options.sex, self._design)
        overlay = encode_overlay(draw_overlay(rgb, found, geometry)) if "overlay" in options.include else None
        company = 1 if options.all_faces else found.faces_found
        return MeasuredFace(found, geometry, examine(rgb, found, company), overlay)


class _StageClock:
    """Splits a run of time into named stages."""

    def __init__(self, start: float) -> None:
        self.seconds: dict[str, float] = {}
        self._last = start

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now
