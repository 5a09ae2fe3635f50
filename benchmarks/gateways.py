"""A gateway in a process of its own, to be measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from benchmarks.stacks import START_TIMEOUT, StackError, free_ports, is_ready


class StartedGateway:
    """``facestats gateway``, ready to score; use as a context manager.

    Args:
        settings: ``FACESTATS_...`` variables, the addresses of Triton among them.
        log: File for its output.

    Attributes:
        url: Where it answers.
        pid: Its process, while it runs.
    """

    def __init__(self, settings: Mapping[str, str], log: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "facestats_cli", "gateway", "--port", str(port)]
        self._settings = dict(settings)
        self._log = log

    def __enter__(self) -> StartedGateway:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | self._settings
            )
        self.pid = self._process.pid
        end = time.monotonic() + START_TIMEOUT
        while not is_ready(self.url):
            if self._process.poll() is not None or time.monotonic() > end:
                self._stop()
                raise StackError(f"The gateway did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)
