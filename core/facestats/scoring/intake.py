"""Takes photos in: each by what its header says of its size, before anything is decoded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from facestats.deadline import Deadline
from facestats.images.imaging import OpenedImage
from facestats.problems import Problem
from facestats.scoring.admission import Admission, Permit


class ScoreObserver(Protocol):
    """Told what becomes of photos (metrics)."""

    def scored(self, seconds: Mapping[str, float], faces: int) -> None:
        """A photo was answered; its time by stage and its number of faces."""

    def abandoned(self, reason: str) -> None:
        """A photo was dropped because nobody waits any more: ``deadline`` or ``disconnect``."""


class Intake:
    """The door of a scorer.

    Args:
        open_image: Reads a photo's header and applies the limits.
        admission: Permits.
        observer: Told of photos that nobody waits for any more.
    """

    def __init__(
        self, open_image: Callable[[bytes], OpenedImage], admission: Admission, observer: ScoreObserver | None
    ) -> None:
        self._open_image = open_image
        self._admission = admission
        self._observer = observer

    @contextlib.asynccontextmanager
    async def admitted(
        self, data: bytes, deadline: Deadline, *, wait: bool
    ) -> AsyncIterator[tuple[OpenedImage, Permit]]:
        """Holds a permit for a photo while the block runs, and hands out the photo, opened.

        Args:
            data: The encoded image.
            deadline: The request's time budget.
            wait: Whether to wait for a permit instead of refusing at once.

        Raises:
            Problem: The image cannot be used, there is no room, or time ran out.
        """
        try:
            image = await asyncio.to_thread(self._open_image, data)
            async with self._admission.admit(image.pixels, deadline, wait=wait) as permit:
                yield image, permit
        except Problem as problem:
            if problem.code == "deadline-exceeded":
                self._abandoned("deadline")
            raise
        except asyncio.CancelledError:
            self._abandoned("disconnect")
            raise

    def _abandoned(self, reason: str) -> None:
        if self._observer is not None:
            self._observer.abandoned(reason)
