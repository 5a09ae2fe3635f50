"""One time budget for a request: queue, decode, landmarks and the call to Triton together."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import anyio

from facestats.problems import Problem


class Deadline:
    """A moment after which nobody waits for the answer any more; safe to read from any thread.

    Args:
        seconds: Time from now.
        is_cancelled: Asked at every check: whether the caller has taken its request back.
    """

    def __init__(self, seconds: float, is_cancelled: Callable[[], bool] | None = None) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._abandoned = False
        self._is_cancelled = is_cancelled

    def abandon(self) -> None:
        """Says that nobody waits any more (the client has gone); later checks fail at once."""
        self._abandoned = True

    @property
    def remaining(self) -> float:
        """Seconds left, 0 when none."""
        return 0.0 if self._abandoned else max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Stops work that nobody waits for.

        Raises:
            Problem: ``deadline-exceeded``.
        """
        if self._is_cancelled is not None and self._is_cancelled():
            self.abandon()
        if self.remaining <= 0:
            raise self.exceeded()

    @contextlib.contextmanager
    def limit(self) -> Iterator[None]:
        """Ends what is awaited inside when the time is up.

        Not ``asyncio.wait_for``: before Python 3.12 it swallows a cancellation that comes together with the result.

        Raises:
            Problem: ``deadline-exceeded``.
        """
        try:
            with anyio.fail_after(self.remaining):
                yield
        except TimeoutError:
            raise self.exceeded() from None

    def exceeded(self) -> Problem:
        """The problem to answer with when the time is up."""
        return Problem("deadline-exceeded", f"The request was not finished within its {self.seconds:g} s.")
