"""Starts the whole service as an operator does, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

START_TIMEOUT = 180.0
SERVES = "FaceStats serves at "


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """``facestats up`` in a process of its own; use as a context manager.

    Attributes:
        repository: The exported model repository it serves.
        settings: Further ``FACESTATS_...`` variables.
        wrapper: Command in front of it, for example one that gives it a namespace of its own.
        arguments: Further arguments of the command.
    """

    repository: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    wrapper: Sequence[str] = ()
    arguments: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    log: list[str] = field(default_factory=list)

    def __enter__(self) -> Stack:
        command = [
            *self.wrapper,
            *(
                sys.executable,
                "-m",
                "facestats_cli",
                "up",
                "--repository",
                str(self.repository),
                "--port",
                str(self.port),
            ),
            *("--triton-grpc-port", str(self.grpc_port), "--triton-http-port", str(self.http_port)),
            *("--triton-metrics-port", str(self.metrics_port)),
            *self.arguments,
        ]
        self._listening = threading.Event()
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | dict(self.settings),
            cwd=Path(__file__).parent.parent,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._listening.wait(START_TIMEOUT)
        if not any(SERVES in line for line in self.log):
            self.stop()
            raise RuntimeError("the stack did not start:\n" + "".join(self.log[-40:]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc(self) -> str:
        """Triton's gRPC address."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def http(self) -> str:
        """Triton's HTTP address."""
        return f"127.0.0.1:{self.http_port}"

    @property
    def metrics(self) -> str:
        """Triton's Prometheus endpoint."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ends the stack and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(10)
        self._reader.join(10)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if SERVES in line:
                self._listening.set()
        self._listening.set()
