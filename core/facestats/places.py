"""Where the project's own files lie: in its checkout, or where the wheel has put them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from facestats.errors import FaceStatsError

REPOSITORY = "model_repository"
"""The folder of Triton's models in the checkout, in a working directory, and in the user's data folder."""

REPOSITORY_HELP = f"./{REPOSITORY} where there is one, else the user's data folder"
"""``default_repository`` in words, for a command's help."""


def checkout() -> Path | None:
    """The project's folder where this package runs from its sources; ``None`` where it is installed from a wheel."""
    folder = Path(__file__).parents[2]
    return folder if (folder / "pyproject.toml").is_file() and (folder / REPOSITORY).is_dir() else None


def repository_templates() -> Path:
    """The model repository as the project ships it: configurations and Python models, in a checkout exports too.

    Raises:
        FaceStatsError: It is not there.
    """
    return _shipped(REPOSITORY, "facestats_model_repository")


def example_photo() -> Path:
    """A photo of one face, to try things with.

    Raises:
        FaceStatsError: It is not there.
    """
    return _shipped("examples", "facestats_examples") / "astronaut.jpg"


def default_repository() -> Path:
    """The model repository that commands use unless told otherwise."""
    here = Path(REPOSITORY)
    if here.is_dir():
        return here
    from platformdirs import user_data_path

    return user_data_path("facestats", appauthor=False) / REPOSITORY


def weights_folder() -> Path:
    """Where the operator lays checkpoints and CLIP snapshots down for the export to find."""
    root = checkout()
    return root / "weights" if root is not None else default_repository().with_name("weights")


def _shipped(folder: str, package: str) -> Path:
    if (root := checkout()) is not None:
        return root / folder
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FaceStatsError(f"this installation lacks its own '{package}'; install facestats-triton anew.")
    return Path(next(iter(spec.submodule_search_locations)))
