"""The repositories a run serves: one a precision, exported once and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from facestats.models.configuration import read_config
from facestats.models.repository import ENCODER, ENSEMBLES, MODEL_FILE, config_path, read_parameters, versions

CACHE = Path(__file__).parent / "cache"
"""Where the exports of a benchmark live (git-ignored)."""


class ExportFailedError(RuntimeError):
    """A precision cannot be exported; the export's own message was shown."""


def exported_repository(precision: str) -> Path:
    """The benchmark's export of a precision, made if it is not there, in a process of its own.

    A repository of several versions is made anew: Triton keeps the one before loaded too, which is not to be measured.

    Raises:
        ExportFailedError: The export refused.
    """
    repository = CACHE / precision
    command = [sys.executable, "-m", "facestats_cli", "export", "--precision", precision, "--output", str(repository)]
    for _ in range(2):
        if subprocess.run(command, check=False).returncode != 0:
            raise ExportFailedError(f"the {precision} export failed, see its message above.")
        if len(versions(repository / ENCODER)) == 1:
            break
        shutil.rmtree(repository)
    return repository


def newest_model(repository: Path) -> Path:
    """The ``model.onnx`` of CLIP that Triton serves: the highest version's.

    Raises:
        FileNotFoundError: Nothing is exported.
    """
    found = versions(repository / ENCODER)
    if not found:
        raise FileNotFoundError(f"{repository} has no exported {ENCODER}.")
    return repository / ENCODER / str(found[-1]) / MODEL_FILE


def instances_and_threads(repository: Path, cores: int) -> tuple[int, int]:
    """Instances of CLIP and threads of each, as the exported configuration has them (no thread count: all cores)."""
    config = read_config(config_path(repository / ENCODER))
    threads = config.parameters["intra_op_thread_count"].string_value if config.parameters else ""
    return max(1, sum(group.count for group in config.instance_group)), int(threads or 0) or cores


def precision_and_backend(repository: Path) -> tuple[str, str]:
    """What was exported, and which of Triton's backends runs CLIP."""
    precision = read_parameters(repository / ENSEMBLES[0])["precision"]
    return precision, read_config(config_path(repository / ENCODER)).backend
