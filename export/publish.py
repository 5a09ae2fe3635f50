"""Puts an export into the model repository, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from export.errors import ExportError
from export.provenance import CONFIG_NAME, exported_config, read_config

MODEL_FILE = "model.onnx"
ENSEMBLES = ("attractiveness", "attractiveness_image")
KEPT_VERSIONS = 2
"""The live version and the one before, for a rollback."""


def tracked_models(source: Path) -> list[str]:
    """Names of the models whose configuration is part of the project."""
    return sorted(path.parent.name for path in source.glob("*/config.pbtxt"))


def prepare_repository(output: Path, source: Path) -> None:
    """Makes ``output`` a model repository: the tracked configurations and Python models, if it is another folder.

    Args:
        output: Where to export to.
        source: The project's ``model_repository``.

    Raises:
        ExportError: ``output`` is a file, or ``source`` is no model repository.
    """
    if output.exists() and not output.is_dir():
        raise ExportError(f"'{output}' is a file, not a folder.")
    if output.resolve() != source.resolve():
        if not tracked_models(source):
            raise ExportError(f"the project's model repository is missing at '{source}'.")
        ignored = shutil.ignore_patterns(MODEL_FILE, f"{CONFIG_NAME}*.pbtxt", "parity.*", "__pycache__")
        shutil.copytree(source, output, ignore=ignored, dirs_exist_ok=True)
    for name in ENSEMBLES:
        # Triton wants a version folder even where there is nothing to put into it.
        (output / name / "1").mkdir(parents=True, exist_ok=True)


def versions(model_folder: Path) -> list[int]:
    """Exported versions of a model, rising."""
    return sorted(int(path.parent.name) for path in model_folder.glob(f"*/{MODEL_FILE}") if path.parent.name.isdigit())


def publish(
    output: Path, graphs: Mapping[str, bytes], parameters: Mapping[str, str], reports: Mapping[str, str]
) -> int:
    """Adds the next version of every graph, then the configurations that name what was exported.

    Everything is written beside the repository first and moved in when it is complete, so an interrupted export leaves
    the repository as it was.

    Args:
        output: A prepared model repository.
        graphs: Model name to ONNX bytes.
        parameters: Provenance, for the ensembles' configurations.
        reports: File name to text, kept beside the first graph.

    Returns:
        The new version's number.
    """
    version = 1 + max((number for name in graphs for number in versions(output / name)), default=0)
    staging = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.resolve().parent))
    try:
        for name, graph in graphs.items():
            _write(staging / name / str(version) / MODEL_FILE, graph)
        for file_name, text in reports.items():
            _write(staging / next(iter(graphs)) / str(version) / file_name, text.encode())
        configs = {}
        for name in tracked_models(output):
            own = parameters if name in ENSEMBLES else {}
            configs[name] = staging / f"{name}.pbtxt"
            _write(configs[name], exported_config(read_config(output / name / "config.pbtxt"), own).encode())
        for name in graphs:
            (staging / name / str(version)).rename(output / name / str(version))
        for name, path in configs.items():
            folder = output / name / "configs"
            folder.mkdir(exist_ok=True)
            path.replace(folder / f"{CONFIG_NAME}.pbtxt")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for name in graphs:
        for old in versions(output / name)[:-KEPT_VERSIONS]:
            shutil.rmtree(output / name / str(old))
    return version


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
