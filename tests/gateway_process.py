"""``facestats gateway`` in a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import httpx

from tests.stack import free_port

START_TIMEOUT = 60.0


class GatewayProcess:
    """A gateway alone; use as a context manager.

    Args:
        settings: ``FACESTATS_...`` variables.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = dict(settings)

    def __enter__(self) -> GatewayProcess:
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "facestats_cli", "gateway", "--port", str(self.port)],
            stdout=self._log,
            stderr=self._log,
            env=os.environ | {"FACESTATS_LOG_FORMAT": "json"} | self._settings,
            cwd=Path(__file__).parent.parent,
        )
        end = time.monotonic() + START_TIMEOUT
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"the gateway did not start:\n{self.log()[-4000:]}")
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()

    def log(self) -> str:
        """Everything it has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ends it and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def _listens(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False
