"""Runs NVIDIA's ``perf_analyzer``, which tritonclient's wheel carries without two libraries it links to.

``python -m facestats_local_triton.perf_analyzer ARGUMENTS`` is ``perf_analyzer ARGUMENTS``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from facestats_local_triton.errors import TritonError
from facestats_local_triton.installation import INSTALL_HINT, find_installation, join_paths

LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
"""The names ``perf_analyzer`` asks for, and the names under which nvidia-pytriton bundles them."""

PROXIES = frozenset({"grpc_proxy", "https_proxy", "http_proxy", "all_proxy"})
"""Variables that would send gRPC through a proxy, to loopback too; there is no option against it."""


def run_perf_analyzer(args: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Runs ``perf_analyzer`` with these arguments and waits for its end.

    Args:
        args: Its command-line arguments.
        timeout: Seconds after which it is killed.

    Returns:
        Exit code and output; a failed measurement is a non-zero ``returncode``, not an exception.

    Raises:
        TritonError: tritonclient or nvidia-pytriton is not installed.
        subprocess.TimeoutExpired: It took longer than ``timeout``.
    """
    executable = Path(sys.executable).parent / "perf_analyzer"
    if not executable.is_file():
        raise TritonError(f"perf_analyzer is not installed; {INSTALL_HINT}.")
    with tempfile.TemporaryDirectory(prefix="facestats_perf_analyzer_") as directory:
        link_libraries(find_installation().libraries, Path(directory))
        environment = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES} | {
            "LD_LIBRARY_PATH": join_paths([directory], os.environ.get("LD_LIBRARY_PATH")),
        }
        return subprocess.run(
            [str(executable), *args],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )


def link_libraries(bundled: Path, directory: Path) -> None:
    """Links the bundled libraries into ``directory`` under the names ``perf_analyzer`` asks for.

    Raises:
        TritonError: nvidia-pytriton does not bundle one of them.
    """
    for name, pattern in LIBRARIES.items():
        library = next(bundled.glob(pattern), None)
        if library is None:
            raise TritonError(f"nvidia-pytriton bundles no {name}, which perf_analyzer needs; {INSTALL_HINT}.")
        (directory / name).symlink_to(library)


if __name__ == "__main__":
    finished = run_perf_analyzer(sys.argv[1:])
    sys.stdout.write(finished.stdout)
    sys.stderr.write(finished.stderr)
    sys.exit(finished.returncode)
