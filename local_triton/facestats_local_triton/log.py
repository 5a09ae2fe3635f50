"""Forwards Triton's log line by line and remembers its last error."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from datetime import datetime
from typing import IO

_ERROR = re.compile(r"^(?:E\d{4} [^\]]*\] |error: )(?P<message>.*)$")
_NO_GPU = re.compile(r"^[EW]\d{4} [^\]]*\] .*(CudaDriverHelper|CUDA driver version|pinned system memory)")
_ROOT_CAUSES = ("failed to load", "Poll failed for model directory")


class ServerLog:
    """Receives a server's output.

    Args:
        receive: Called with each line, without its line end, by one thread at a time. When it raises it is not called
            again; the server's output is still read, because a full pipe would halt the server.
        gpu: Whether there is a GPU. Without one, Triton's warnings and errors that there is none are no more than
            information.

    Attributes:
        last_error: The last error, or the first model that failed to load: what follows that one (ensembles without
            their parts, the end of the server) is its consequence.
    """

    def __init__(self, receive: Callable[[str], None] | None, gpu: bool) -> None:
        self._receive = receive or (lambda line: None)
        self._gpu = gpu
        self._receiving = threading.Lock()
        self._failure: Exception | None = None
        self.last_error: str | None = None

    def forward(self, stream: IO[bytes]) -> None:
        """Reads until the stream ends.

        Raises:
            RuntimeError: The receiver had failed.
        """
        with stream:
            for raw in stream:
                self._read(raw.decode(errors="replace").rstrip("\r\n"))
        if self._failure is not None:
            raise RuntimeError(
                "the receiver of Triton's log failed, the log was not forwarded any more"
            ) from self._failure

    def say(self, severity: str, message: str) -> None:
        """Adds a line of the launcher itself in Triton's form; ``severity`` is I, W or E."""
        now = datetime.now().strftime("%m%d %H:%M:%S.%f")
        self._deliver(f'{severity}{now} {os.getpid()} local_triton] "{message}"')

    def _read(self, line: str) -> None:
        if not self._gpu and _NO_GPU.match(line):
            line = "I" + line[1:]
        match = _ERROR.match(line)
        if match:
            message = match["message"].strip().strip('"')
            if not (self.last_error or "").startswith(_ROOT_CAUSES):
                self.last_error = message
        self._deliver(line)

    def _deliver(self, line: str) -> None:
        with self._receiving:
            if self._failure is None:
                try:
                    self._receive(line)
                except Exception as error:
                    self._failure = error
