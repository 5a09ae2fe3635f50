"""Starts the LitServe peer in its own environment (``make bench-peers`` makes it) and stops it again."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import httpx

from benchmarks.process_tree import ProcessTree
from benchmarks.stacks import StackError, free_ports

PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"

_START_SECONDS = 120.0


class LitServePeer:
    """LitServe with CLIP in PyTorch; use as a context manager.

    Args:
        bf16: Whether CLIP runs under autocast to bfloat16.
        mesh_runs: Face Mesh runs a photo.
    """

    def __init__(self, *, bf16: bool, mesh_runs: int) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/predict"
        self._health = f"http://127.0.0.1:{port}/health"
        self._arguments = ["--port", str(port), "--mesh-runs", str(mesh_runs), *(["--bf16"] if bf16 else [])]

    def __enter__(self) -> LitServePeer:
        if not PYTHON.is_file():
            raise StackError("The peer is not installed; `make bench-peers` installs and measures it.")
        self._log = tempfile.TemporaryFile()
        service = Path(__file__).with_name("litserve_service.py")
        self._process = subprocess.Popen(
            [str(PYTHON), str(service), *self._arguments], stdout=self._log, stderr=self._log
        )
        end = time.monotonic() + _START_SECONDS
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > end:
                self._log.seek(0)
                said = self._log.read().decode(errors="replace")[-1500:]
                self.__exit__(None, None, None)
                raise StackError(f"The peer did not start:\n{said}")
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            for child in ProcessTree([self._process.pid]).processes():
                child.kill()
            self._process.wait()
        self._log.close()

    def write_body(self, photo: Path, folder: Path) -> Path:
        """The request body for a photo, ``application/json``."""
        body = folder / "litserve.json"
        body.write_text(json.dumps({"image": base64.b64encode(photo.read_bytes()).decode()}))
        return body

    @property
    def processes(self) -> ProcessTree:
        """The server and its workers."""
        return ProcessTree([self._process.pid])

    def _healthy(self) -> bool:
        try:
            return httpx.get(self._health, timeout=2).status_code == 200
        except httpx.TransportError:
            return False
