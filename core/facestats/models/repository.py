"""Triton's model repository on disk: what is in it and where."""

from __future__ import annotations

from pathlib import Path

from facestats.models.configuration import RepositoryError, read_config

ENCODER = "clip_image_encoder"
REGRESSOR = "attractiveness_regressor"
CROPS_ENSEMBLE = "attractiveness"
"""The ensemble that takes CLIP's pixels."""

ENSEMBLES = (CROPS_ENSEMBLE, "attractiveness_image")
PHOTO_MODEL = "psl"
"""Triton's model of the whole job."""

SCORERS = (*ENSEMBLES, PHOTO_MODEL)
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


def versions(model_folder: Path) -> list[int]:
    """Exported versions of a model, rising."""
    return sorted(int(path.parent.name) for path in model_folder.glob(f"*/{MODEL_FILE}") if path.parent.name.isdigit())


def config_path(model_folder: Path, version: int | None = None) -> Path:
    """The configuration Triton reads, or the one kept for a version."""
    suffix = "" if version is None else f"-{version}"
    return model_folder / "configs" / f"{CONFIG_NAME}{suffix}.pbtxt"


def read_parameters(model_folder: Path) -> dict[str, str]:
    """Parameters of a model's exported configuration; empty when it has none.

    Raises:
        RepositoryError: It is damaged.
    """
    path = config_path(model_folder)
    if not path.is_file():
        return {}
    return {name: value.string_value for name, value in read_config(path).parameters.items()}


def live_version(output: Path) -> int | None:
    """The version that Triton is told to serve, ``None`` before the first export.

    Raises:
        RepositoryError: The ensemble's exported configuration is damaged.
    """
    version = read_parameters(output / ENSEMBLES[0]).get(VERSION_PARAMETER)
    if version is None:
        return None
    if not version.isdigit():
        raise RepositoryError(f"'{config_path(output / ENSEMBLES[0])}' names the version '{version}', not a number.")
    return int(version)
