"""How fast held work drains: what ``Retry-After`` is computed from."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW = 64
"""Completions the rate is measured over."""

_LONGEST_WAIT = 60.0
"""Longest time given, seconds: after a stall the measured rate says little."""


class DrainRate:
    """Measures the rate at which work is completed, over the time in which there was any.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running = 0
        # An idle hour says nothing about how fast the next queue will drain, so only busy time counts.
        self._busy = 0.0
        self._busy_since = 0.0
        self._completed: deque[tuple[float, float]] = deque(maxlen=_WINDOW)

    def begin(self) -> None:
        """A piece of work begins."""
        if self._running == 0:
            self._busy_since = self._clock()
        self._running += 1

    def end(self, amount: float = 1.0) -> None:
        """A piece of work is over.

        Args:
            amount: Its size, in the unit of ``seconds_for``.
        """
        busy = self._busy_seconds()
        self._running -= 1
        if self._running == 0:
            self._busy = busy
        self._completed.append((busy, amount))

    def seconds_for(self, amount: float) -> float:
        """Time in which ``amount`` will have drained, 1..60 s; 1 s as long as nothing was measured."""
        if len(self._completed) < 2:
            return 1.0
        elapsed = max(self._busy_seconds() - self._completed[0][0], 1e-3)
        rate = max(sum(size for _, size in self._completed) / elapsed, 1e-9)
        return min(max(amount / rate, 1.0), _LONGEST_WAIT)

    def _busy_seconds(self) -> float:
        return self._busy + (self._clock() - self._busy_since if self._running else 0.0)
