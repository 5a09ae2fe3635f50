"""A running service to measure: started for the run, or somebody's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx
import psutil

from benchmarks.process_tree import ProcessTree

START_TIMEOUT = 240.0
"""Seconds until a started service must be ready; its first export is done before."""

_STOP_TIMEOUT = 60.0


class StackError(RuntimeError):
    """The service cannot be reached or started; one sentence."""


@dataclass(frozen=True)
class Stack:
    """Where a service listens and which processes it is.

    Attributes:
        url: The gateway.
        grpc: Triton's gRPC address, host:port.
        http: Triton's HTTP address, host:port.
        gateway: The gateway's process; nothing if it is not known.
        triton: Triton's processes; nothing if they are not known.
    """

    url: str
    grpc: str
    http: str
    gateway: ProcessTree
    triton: ProcessTree

    @property
    def everything(self) -> ProcessTree:
        """Gateway and Triton."""
        return ProcessTree([*self.gateway.pids, *self.triton.pids])


class StartedStack:
    """``facestats up`` on free ports in a process of its own; use as a context manager.

    Args:
        repository: The exported model repository to serve.
        settings: Further ``FACESTATS_...`` variables.
        log: File for its output.
        arguments: Further arguments of the command.
    """

    def __init__(
        self, repository: Path, log: Path, settings: Mapping[str, str] | None = None, arguments: Sequence[str] = ()
    ) -> None:
        self._repository = repository
        self._log = log
        self._settings = dict(settings or {})
        self._arguments = tuple(arguments)

    def __enter__(self) -> Stack:
        port, grpc, http, metrics = free_ports(4)
        command = [
            *(sys.executable, "-m", "facestats_cli", "up", "--repository", str(self._repository), "--port", str(port)),
            *("--triton-grpc-port", str(grpc), "--triton-http-port", str(http), "--triton-metrics-port", str(metrics)),
            *self._arguments,
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | self._settings
            )
        url = f"http://127.0.0.1:{port}"
        try:
            self._await_ready(url)
        except StackError:
            self.stop()
            raise
        children = [child.pid for child in psutil.Process(self._process.pid).children()]
        return Stack(
            url=url,
            grpc=f"127.0.0.1:{grpc}",
            http=f"127.0.0.1:{http}",
            gateway=ProcessTree([self._process.pid], children=False),
            triton=ProcessTree(children),
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it and waits."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await_ready(self, url: str) -> None:
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            if is_ready(url):
                return
            time.sleep(0.2)
        raise StackError(f"The service did not start:\n{self._log.read_text()[-2000:]}")


def is_ready(url: str) -> bool:
    """Whether a gateway says that it can score."""
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
