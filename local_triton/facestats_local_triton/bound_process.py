"""Replaces itself with a command that ends when the launching process does.

Run as ``python bound_process.py PARENT_PID COMMAND ...``, which :func:`bound` writes. A program of its own rather than
a ``preexec_fn``, which must not be used in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def bound(command: Sequence[str]) -> list[str]:
    """The command that runs ``command`` for no longer than this process lives; its first word is an absolute path."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    """Asks the kernel for SIGTERM at the parent's death, then becomes the command.

    SIGTERM and not SIGKILL, so that ``tritonserver`` still ends its stubs and removes its shared memory. Python has set
    SIGPIPE to be ignored, which survives ``exec``: the reader of the log is gone by then.
    """
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("the launching process has ended already")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
