"""Starts and supervises one real ``tritonserver`` process."""

from __future__ import annotations

import compileall
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from facestats_local_triton.bound_process import bound
from facestats_local_triton.errors import TritonError
from facestats_local_triton.exposure import LOOPBACK, ClosableApi, closing_arguments, require_closed
from facestats_local_triton.installation import find_installation
from facestats_local_triton.log import ServerLog
from facestats_local_triton.ownership import Owner, clean_after_dead_owners

__all__ = ["TritonError", "TritonPorts", "TritonServer"]

EXIT_TIMEOUT = 10
"""Seconds Triton may finish what is in flight when it is told to stop."""

FIRST_RESTART_DELAY, LONGEST_RESTART_DELAY = 0.5, 30.0
"""Seconds between a crash and the restart: doubled at each crash in a row, up to the longest."""

STABLE_AFTER = 60.0
"""Seconds of life after which a crash counts as the first again."""

_PROBE_INTERVAL, _PROBE_TIMEOUT = 0.1, 2.0
_GPU_DEVICE = Path("/dev/nvidiactl")
_WITHOUT_GPU = ("--allow-gpu-metrics=false", "--enable-peer-access=false", "--pinned-memory-pool-byte-size=0")
"""Keeps Triton from reporting errors about a GPU that is not there."""


@dataclass(frozen=True)
class TritonPorts:
    """Where Triton listens."""

    grpc: int
    http: int
    metrics: int

    @classmethod
    def free(cls) -> TritonPorts:
        """Three different ports nobody listens on now."""
        with ExitStack() as held:
            ports = []
            for _ in range(3):
                probe = held.enter_context(socket.socket())
                probe.bind((LOOPBACK, 0))
                ports.append(int(probe.getsockname()[1]))
        return cls(*ports)


def _compile_python_models(repository: Path) -> None:
    """Leaves Python's bytecode beside the Python models, unless that place cannot be written to.

    Else their stubs would, whatever PYTHONDONTWRITEBYTECODE says, and Triton would take the folder's new date for a
    changed model and load it again.
    """
    for model in repository.glob("*/*/model.py"):
        compileall.compile_file(model, quiet=2)


class TritonServer:
    """One ``tritonserver``, restarted when it crashes and gone without a trace when stopped.

    Use as a context manager, or call :meth:`start` and :meth:`stop`.

    Args:
        repository: The model repository.
        ports: Where to listen.
        host: Address to listen on, for gRPC, HTTP and metrics alike: a loopback address.
        accept_known_holes: Lets ``host`` be another address. This release of Triton has known holes, one of which lets
            any caller end it for everybody (``SECURITY.md``), and no access control.
        open_apis: Groups of calls that are not closed, for example ``shared-memory`` to measure it.
        model_config_name: Triton reads ``configs/<name>.pbtxt`` of each model, and ``config.pbtxt`` of a model without.
        poll_seconds: How often the repository is looked through for new model versions and changed configurations;
            ``None`` serves what was there at the start. Loading and unloading over the network is off either way.
        extra_args: Further arguments of ``tritonserver``, but none that decides who may call what.
        log: Called with each line of Triton's log, from other threads but never at once; the launcher's own lines have
            Triton's form (``W1231 23:59:59.000000 pid local_triton] "..."``).
        restart: Whether to restart a server that crashes after :meth:`wait_ready` has succeeded.

    Attributes:
        owner: What its processes and shared-memory regions are known by.
        restarts: How often it has been restarted.
    """

    def __init__(
        self,
        repository: Path,
        ports: TritonPorts,
        *,
        host: str = LOOPBACK,
        accept_known_holes: bool = False,
        open_apis: Collection[ClosableApi] = (),
        model_config_name: str = "exported",
        poll_seconds: int | None = 2,
        extra_args: Sequence[str] = (),
        log: Callable[[str], None] | None = None,
        restart: bool = True,
    ) -> None:
        self.repository = repository
        self.ports = ports
        self.host = host
        self.restarts = 0
        self._accept_known_holes = accept_known_holes
        self._open_apis = open_apis
        self._model_config_name = model_config_name
        self._poll_seconds = poll_seconds
        self._extra_args = tuple(extra_args)
        self._log = ServerLog(log, gpu=_GPU_DEVICE.exists())
        self._restart = restart
        self.owner = Owner.new()
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._was_ready = False
        self._stopping = False
        self._failure: str | None = None
        self._supervisor: threading.Thread | None = None

    def __enter__(self) -> TritonServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The running ``tritonserver`` process, ``None`` while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Cleans up after dead predecessors and starts the server, without waiting for it.

        Raises:
            TritonError: Triton is not installed, the repository is missing, this server was started before, or it would
                be open to others.
        """
        require_closed(self.host, self._extra_args, self._accept_known_holes)
        if self._supervisor is not None:
            raise TritonError("This TritonServer has been started before; make a new one.")
        if not self.repository.is_dir():
            raise TritonError(f"There is no model repository at '{self.repository}'; give the folder of the models.")
        installation = find_installation()
        for removed in clean_after_dead_owners():
            self._log.say("W", f"removed what a killed predecessor left: {removed}")
        backends = self.owner.run_directory / "backends"
        installation.lay_out_backends(backends)
        if self._poll_seconds is not None:
            _compile_python_models(self.repository)
        # Triton starts its stubs through a shell and by words of ASCII: a path of the user's own may be neither.
        (self.owner.run_directory / "models").symlink_to(self.repository.resolve())
        command = [str(installation.server), *self._arguments(backends)]
        environment = installation.environment(os.environ)
        # The kernel watches the *thread* that starts a child, so the one that starts it must live as long as this
        # process: the supervisor does.
        self._supervisor = threading.Thread(
            target=self._supervise, args=(command, environment), name="triton-supervisor", daemon=True
        )
        self._supervisor.start()

    def wait_ready(self, timeout: float) -> None:
        """Waits until all models are loaded and warmed up.

        Args:
            timeout: Seconds.

        Raises:
            TritonError: It ended while loading (the message has its log's last error), or the time is over.
        """
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            with self._changed:
                self._changed.wait_for(self._has_ended, timeout=_PROBE_INTERVAL)
                if self._failure is not None:
                    raise TritonError(self._failure)
                if self._has_ended():
                    raise TritonError("Triton has been stopped or was never started; start it before waiting for it.")
            if time.monotonic() > deadline:
                hint = self._log.last_error or "its log has no error; the models may need longer"
                raise TritonError(f"Triton was not ready after {timeout:g} s: {hint}")
        with self._changed:
            self._was_ready = True

    def is_ready(self) -> bool:
        """Whether *this* server answers ``v2/health/ready`` now."""
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.host, self.host)
        connection = http.client.HTTPConnection(host, self.ports.http, timeout=_PROBE_TIMEOUT)
        try:
            connection.request("GET", "/v2/health/ready")
            ready = connection.getresponse()
            ready.read()
            if ready.status != 200:
                return False
            # Another server may hold the port while ours fails to get it.
            return self._listens_on(self.ports.http)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _listens_on(self, port: int) -> bool:
        process = self._process
        if process is None:
            return False
        try:
            sockets = psutil.Process(process.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)

    def stop(self) -> None:
        """Ends the server with its stubs and shared memory; returns when nothing is left. May be called again."""
        with self._changed:
            self._stopping = True
            process = self._process
            self._changed.notify_all()
        if self._supervisor is None:
            return
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(EXIT_TIMEOUT + 5)
            except subprocess.TimeoutExpired:
                self._log.say("W", "Triton did not stop in time and is killed")
                process.kill()
        self._supervisor.join()

    def _arguments(self, backends: Path) -> list[str]:
        # While polling, strict readiness would call a server unready for good as soon as one new version failed to
        # load, although the version before it goes on serving.
        changes = (
            ["--model-control-mode=none", "--strict-readiness=true"]
            if self._poll_seconds is None
            else [
                "--model-control-mode=poll",
                f"--repository-poll-secs={self._poll_seconds}",
                "--strict-readiness=false",
            ]
        )
        return [
            f"--model-repository={self.owner.run_directory / 'models'}",
            f"--model-config-name={self._model_config_name}",
            *changes,
            f"--backend-directory={backends}",
            f"--backend-config=python,shm-region-prefix-name={self.owner.prefix}",
            # Completion starts a stub per model only to ask for what the configurations say in full already.
            "--disable-auto-complete-config",
            f"--grpc-address={self.host}",
            f"--grpc-port={self.ports.grpc}",
            f"--http-address={self.host}",
            f"--http-port={self.ports.http}",
            f"--metrics-address={self.host}",
            f"--metrics-port={self.ports.metrics}",
            *closing_arguments(self._open_apis),
            # At the start all models must load: only then does Triton begin to listen.
            "--exit-on-error=true",
            f"--exit-timeout-secs={EXIT_TIMEOUT}",
            *([] if _GPU_DEVICE.exists() else _WITHOUT_GPU),
            *self._extra_args,
        ]

    def _supervise(self, command: list[str], environment: dict[str, str]) -> None:
        try:
            self._run_until_stopped(command, environment)
        except OSError as error:
            self._failure = f"Triton could not be started: {error}"
        finally:
            self.owner.clean()
            with self._changed:
                self._stopping = True
                self._changed.notify_all()

    def _run_until_stopped(self, command: list[str], environment: dict[str, str]) -> None:
        delay = FIRST_RESTART_DELAY
        while True:
            started = time.monotonic()
            code = self._run_once(command, environment)
            with self._changed:
                if self._stopping:
                    return
                if not self._was_ready or not self._restart:
                    self._failure = self._describe_end(code)
                    return
                if time.monotonic() - started > STABLE_AFTER:
                    delay = FIRST_RESTART_DELAY
                self._log.say("E", f"{self._describe_end(code)}. Restarting in {delay:g} s.")
                if self._changed.wait_for(lambda: self._stopping, timeout=delay):
                    return
                self.restarts += 1
            delay = min(2 * delay, LONGEST_RESTART_DELAY)

    def _run_once(self, command: list[str], environment: dict[str, str]) -> int:
        """One life of the server, from its start until nothing of it is left; returns its exit code."""
        with self._changed:
            if self._stopping:
                return 0
            self._log.last_error = None
            # A session of its own: Ctrl-C in a terminal reaches the launcher, which stops Triton in order.
            process = subprocess.Popen(
                bound(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._process = process
        assert process.stdout is not None
        reader = threading.Thread(target=self._log.forward, args=(process.stdout,), name="triton-log", daemon=True)
        reader.start()
        code = process.wait()
        # Stubs that outlive the server hold its log open: they go before the log can end.
        self.owner.clean_processes()
        reader.join()
        self.owner.clean_regions()
        return code

    def _has_ended(self) -> bool:
        return self._stopping or self._supervisor is None

    def _describe_end(self, code: int) -> str:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        reason = self._log.last_error
        return f"Triton {how}: {reason}" if reason else f"Triton {how}"
