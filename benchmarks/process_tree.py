"""CPU time and memory of a server's processes, its children included."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType

import psutil

_SAMPLE_SECONDS = 0.25


class ProcessTree:
    """Some processes and whatever they have started.

    Args:
        roots: Process ids.
        children: Whether their descendants count too.

    Attributes:
        pids: The processes given.
    """

    def __init__(self, roots: Sequence[int], *, children: bool = True) -> None:
        self.pids = tuple(roots)
        self._roots = [psutil.Process(pid) for pid in roots]
        self._children = children

    def cpu_seconds(self) -> float:
        """User and system time spent so far by the processes that live."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def memory_mb(self) -> float:
        """Proportional set size of all together, MB: pages that several share count once."""
        total = 0
        for process in self.processes():
            try:
                total += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return total / 1e6

    def watch(self) -> Watch:
        """A context manager that measures while it is open."""
        return Watch(self)

    def processes(self) -> list[psutil.Process]:
        """The processes that live now."""
        found = [each for root in self._roots for each in (root, *(root.children(True) if self._children else ()))]
        # A root may be a child of another one.
        return list({process.pid: process for process in found}.values())


class Watch:
    """CPU time spent and the largest memory seen between entering and leaving.

    Attributes:
        cpu_seconds: Set on leaving.
        memory_mb: Largest memory seen so far.
    """

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree
        self._done = threading.Event()
        self.cpu_seconds = 0.0
        self.memory_mb = 0.0

    def __enter__(self) -> Watch:
        self._start = self._tree.cpu_seconds()
        self._thread = threading.Thread(target=self._sample, name="memory-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self.cpu_seconds = self._tree.cpu_seconds() - self._start

    def _sample(self) -> None:
        while True:
            self.memory_mb = max(self.memory_mb, self._tree.memory_mb())
            if self._done.wait(_SAMPLE_SECONDS):
                return
