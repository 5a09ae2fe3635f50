"""Triton's model repository on disk: what is in it and where."""

from __future__ import annotations

import shutil
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from facestats_export.errors import ExportError

ENCODER = "clip_image_encoder"
REGRESSOR = "attractiveness_regressor"
ENSEMBLES = ("attractiveness", "attractiveness_image")
SCORERS = (*ENSEMBLES, "psl")
"""The models that callers ask, each of which says in its parameters what was exported."""

ATTRIBUTE_PREFIX = "attribute_"
"""Models of attribute heads are named after the head with this before it."""

MODEL_FILE = "model.onnx"
CONFIG_NAME = "exported"
"""``tritonserver --model-config-name`` picks ``configs/<name>.pbtxt``."""

VERSION_PARAMETER = "version"


def tracked_models(source: Path) -> list[str]:
    """Names of the models whose configuration is part of the project."""
    return sorted(path.parent.name for path in source.glob("*/config.pbtxt"))


def exported_models(output: Path) -> list[str]:
    """Names of the models that have been exported to."""
    return sorted({path.parent.parent.name for path in output.glob(f"*/configs/{CONFIG_NAME}-*.pbtxt")})


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


def versions(model_folder: Path) -> list[int]:
    """Exported versions of a model, rising."""
    return sorted(int(path.parent.name) for path in model_folder.glob(f"*/{MODEL_FILE}") if path.parent.name.isdigit())


def config_path(model_folder: Path, version: int | None = None) -> Path:
    """The configuration Triton reads, or the one kept for a version."""
    suffix = "" if version is None else f"-{version}"
    return model_folder / "configs" / f"{CONFIG_NAME}{suffix}.pbtxt"


def read_config(path: Path) -> model_config_pb2.ModelConfig:
    """Reads a model configuration.

    Raises:
        ExportError: It is missing or no model configuration.
    """
    config = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(path.read_text(), config)
    except (OSError, text_format.ParseError) as error:
        raise ExportError(f"the model configuration '{path}' cannot be read: {error}.") from error
    return config


def read_parameters(model_folder: Path) -> dict[str, str]:
    """Parameters of a model's exported configuration; empty when it has none."""
    path = config_path(model_folder)
    if not path.is_file():
        return {}
    return {name: value.string_value for name, value in read_config(path).parameters.items()}


def live_version(output: Path) -> int | None:
    """The version that Triton is told to serve, ``None`` before the first export."""
    version = read_parameters(output / ENSEMBLES[0]).get(VERSION_PARAMETER)
    return None if version is None else int(version)
