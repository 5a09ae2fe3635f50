"""Makes a folder a model repository, before anything is exported to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from facestats.models.repository import CONFIG_NAME, ENSEMBLES, tracked_models
from facestats_export.errors import ExportError


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
        for path in sorted(source.rglob("*")):
            if _is_tracked(path) and not _same_bytes(path, target := output / path.relative_to(source)):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    for name in ENSEMBLES:
        # Triton wants a version folder even where there is nothing to put into it.
        (output / name / "1").mkdir(parents=True, exist_ok=True)


def _is_tracked(path: Path) -> bool:
    return path.suffix in (".pbtxt", ".py") and not path.name.startswith(CONFIG_NAME) and path.is_file()


def _same_bytes(path: Path, other: Path) -> bool:
    # A rewritten file would make a polling Triton load its model anew.
    return other.is_file() and other.read_bytes() == path.read_bytes()
