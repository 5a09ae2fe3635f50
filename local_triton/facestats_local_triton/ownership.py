"""Which shared-memory regions and processes belong to which launcher, and the removal of what a dead one left.

``tritonserver`` names every region of its Python backend with a prefix of our choice, and hands the region's name to
each stub as an argument. The prefix therefore says who started what, and it is all that is ever looked at: the
regions and stubs of another server on the machine do not carry it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SHARED_MEMORY = Path("/dev/shm")
"""Where POSIX shared-memory regions are files."""

_KILL_TIMEOUT = 10.0
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+,@-]+")
"""Paths that survive a shell and an interpreter without a locale, through both of which Triton starts its stubs."""

_PLAIN_FOLDERS = ("/tmp",)
_PATTERN = re.compile(r"triton_facestats_(?P<namespace>\d+)_(?P<pid>\d+)_(?P<started>\d+)_(?P<server>[0-9a-f]{8})_")


@dataclass(frozen=True)
class Owner:
    """One :class:`TritonServer` of one launching process.

    Attributes:
        namespace: Inode of the launcher's PID namespace: a PID means nothing outside it.
        pid: The launcher.
        started: Its start, clock ticks since boot; tells it from a later process with the same PID.
        server: Which of the launcher's servers, 8 hexadecimal digits.
    """

    namespace: int
    pid: int
    started: int
    server: str

    @classmethod
    def new(cls) -> Owner:
        """A further server of this process."""
        pid = os.getpid()
        return cls(_pid_namespace(), pid, _start_ticks(pid) or 0, secrets.token_hex(4))

    @classmethod
    def of(cls, name: str) -> Owner | None:
        """The owner a name or an argument speaks of, if any."""
        match = _PATTERN.search(name)
        if match is None:
            return None
        return cls(int(match["namespace"]), int(match["pid"]), int(match["started"]), match["server"])

    @property
    def prefix(self) -> str:
        """What the names of this owner's regions begin with."""
        return f"triton_facestats_{self.namespace}_{self.pid}_{self.started}_{self.server}_"

    @property
    def run_directory(self) -> Path:
        """A folder for this owner's files while it runs."""
        return _run_root() / self.prefix

    @property
    def provably_dead(self) -> bool:
        """Whether the launcher has ended; ``False`` where that cannot be known from here."""
        return self.namespace == _pid_namespace() and _start_ticks(self.pid) != self.started

    def regions(self) -> list[Path]:
        """Its shared-memory regions."""
        return sorted(SHARED_MEMORY.glob(f"{self.prefix}*"))

    def processes(self) -> list[psutil.Process]:
        """Its ``tritonserver`` and stub processes."""
        return [process for process, owner in _owned_processes() if owner == self]

    def clean(self) -> list[str]:
        """Ends its processes, removes its regions and its run directory.

        Returns:
            What was removed, one description each; empty when there was nothing.
        """
        removed = self.clean_processes() + self.clean_regions()
        shutil.rmtree(self.run_directory, ignore_errors=True)
        return removed

    def clean_processes(self) -> list[str]:
        """Kills its processes and waits for their end; returns a description of each."""
        killed = []
        for process in self.processes():
            # Gone by itself meanwhile, or another user's.
            with suppress(psutil.Error):
                process.kill()
                killed.append(process)
        psutil.wait_procs(killed, timeout=_KILL_TIMEOUT)
        return [f"process {process.pid}" for process in killed]

    def clean_regions(self) -> list[str]:
        """Removes its shared-memory regions; returns a description of each."""
        removed = []
        for region in self.regions():
            # Another user's cannot be removed and is not in our way either.
            with suppress(PermissionError, FileNotFoundError):
                region.unlink()
                removed.append(f"shared memory {region.name}")
        return removed


def clean_after_dead_owners() -> list[str]:
    """Removes what launchers that no longer live have left: processes, regions and run directories.

    Returns:
        What was removed, one description each.
    """
    names = [path.name for path in (*SHARED_MEMORY.iterdir(), *_run_root().iterdir())]
    owners = {owner for name in names if (owner := Owner.of(name)) is not None}
    owners |= {owner for _, owner in _owned_processes()}
    return [removed for owner in owners if owner.provably_dead for removed in owner.clean()]


def _run_root() -> Path:
    """The folder for temporary files, or the system's where the path of that one is not plain."""
    folders = [tempfile.gettempdir(), *_PLAIN_FOLDERS]
    return Path(next(folder for folder in folders if _PLAIN_PATH.fullmatch(folder)))


def _owned_processes() -> Iterator[tuple[psutil.Process, Owner]]:
    for process in psutil.process_iter():
        try:
            arguments = process.cmdline()
        except psutil.Error:
            continue
        # Only the programs themselves: an editor or a shell may have such a name among its arguments too.
        if arguments and Path(arguments[0]).name in ("tritonserver", "triton_python_backend_stub"):
            owner = next((owner for argument in arguments[1:] if (owner := Owner.of(argument))), None)
            if owner is not None:
                yield process, owner


def _start_ticks(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot, ``None`` when there is none or it is a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): the second field, the name, may contain anything; state is field 3 and starttime field 22.
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino
