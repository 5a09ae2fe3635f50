"""The wheels in a fresh environment, as a user has them: ``make check-wheel``.

Builds both, installs ``facestats-triton[serve]`` with everything it needs into a new virtual environment, runs
``pip check``, and in an empty folder ``facestats up`` (which exports untrained models first) and ``facestats score``.
Prints how long each step takes and how large the installation is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parent.parent
NOT_SOURCES = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "cache", "results", "model.onnx", "exported*"
)
SERVES = "FaceStats serves at "


def main(python: str) -> None:
    """Runs every step with this interpreter; the first that fails ends it."""
    with tempfile.TemporaryDirectory(prefix="facestats-wheel-") as name:
        folder = Path(name)
        wheels, environment, empty = folder / "wheels", folder / "environment", folder / "empty"
        empty.mkdir()
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("FACESTATS_", "PYTHON"))}
        variables |= {"HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "data")}
        variables |= {"FACESTATS_WEIGHTS": "untrained", "FACESTATS_REGRESSOR": "untrained"}
        # A build leaves folders in the sources whose metadata the checkout's own commands would find before theirs.
        sources = shutil.copytree(PROJECT, folder / "sources", ignore=NOT_SOURCES)
        step("environment", [python, "-m", "venv", str(environment)])
        pip = [str(environment / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        step("build", [*pip, "wheel", "--no-deps", "-w", str(wheels), str(sources), str(sources / "client")])
        constraints = ["-c", str(PROJECT / "constraints.txt"), "--find-links", str(wheels)]
        step("install", [*pip, "install", *constraints, "facestats-triton[serve]"])
        step("pip check", [*pip, "check"])
        size = subprocess.run(["du", "-sm", str(environment)], capture_output=True, text=True, check=True).stdout
        print(f"{'size':12} {size.split()[0]} MB", flush=True)
        serve_and_score(environment / "bin" / "facestats", empty, variables)


def serve_and_score(facestats: Path, empty: Path, variables: dict[str, str]) -> None:
    """Starts the service in an empty folder and scores the example photo, named as the service names it."""
    start = time.perf_counter()
    command = [str(facestats), "up", "--port", "0"]
    with subprocess.Popen(command, cwd=empty, env=variables, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            url = running.stdout.readline().strip().removeprefix(SERVES)
            attempt = running.stdout.readline()
            if not url or "image=@" not in attempt:
                raise SystemExit("facestats up did not start; see its messages above")
            print(f"{'up':12} {time.perf_counter() - start:.0f} s, the export among them", flush=True)
            photo = attempt.partition("image=@")[2].split()[0]
            step("score", [str(facestats), "score", photo, "--url", url], cwd=empty, env=variables)
        finally:
            running.terminate()
    if running.returncode != 0:
        raise SystemExit(f"facestats up ended with {running.returncode}")


def step(name: str, command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Runs a step and prints how long it took."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=env, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} failed")
    print(f"{name:12} {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
