"""Where the regressor comes from: a file, the operator's ``weights/`` folder, a public one, or random weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from facestats_export.checkpoints import load_regressor
from facestats_export.errors import ExportError
from facestats_export.regressor import Regressor, untrained_regressor

_REPOSITORY = "https://raw.githubusercontent.com/jayklarin/FaceStats/719968b31d195ed4c5925240cf2e821742ae5277/"
NETWORK_SECONDS = 10.0


@dataclass(frozen=True)
class PublicRegressor:
    """A checkpoint that FaceStats publishes.

    Attributes:
        url: Where it is, at a pinned commit.
        sha256: Hash of the file, hex.
        kept_as: Its name in the ``weights/`` folder.
    """

    url: str
    sha256: str
    kept_as: str


FACESTATS = PublicRegressor(
    f"{_REPOSITORY}models/attractiveness_regressor.pt",
    "235f821800094cfaad5fd62f5c7a80a9b39852a6cc3266dcbcc941ed2943c30a",
    "attractiveness_regressor.pt",
)
"""512-256-256-1: the file that FaceStats' documentation names, and that LooksmaxAI served."""

FACESTATS_APP = PublicRegressor(
    f"{_REPOSITORY}src/models/attractiveness_regressor.pt",
    "bc770ea35dca0dff5d60a315140b04c2ae6d9b08245439827d21ca6bc03892d3",
    "facestats-app.pt",
)
"""512-256-64-1: fitted to the former's outputs; FaceStats' own application scores with it."""

APP_CHOICE = "facestats-app"


def find_regressor(
    choice: str, weights_folder: Path, notify: Callable[[str], None], *, trust_pickle: bool = False
) -> Regressor:
    """Loads the regressor asked for.

    Args:
        choice: ``auto`` (``weights_folder``, else the public file, else untrained), ``facestats-app`` (FaceStats'
            other public file), ``untrained``, or a path.
        weights_folder: Git-ignored folder in which checkpoints are kept.
        notify: Told in one sentence why ``auto`` fell back, or that it found another file than it names.
        trust_pickle: Whether a pickle of a scikit-learn model may be loaded, which runs the code in it.

    Raises:
        ExportError: The regressor asked for cannot be had.
    """
    if choice == "untrained":
        return untrained_regressor()
    if choice == APP_CHOICE:
        return load_regressor(_kept(FACESTATS_APP, weights_folder))
    if choice != "auto":
        return load_regressor(Path(choice), trust_pickle=trust_pickle)
    try:
        path = _kept(FACESTATS, weights_folder)
    except ExportError as error:
        notify(f"{error} Using an untrained regressor instead.")
        return untrained_regressor()
    regressor = load_regressor(path)
    if regressor.sha256 == FACESTATS_APP.sha256:
        notify(f"'{path}' is the regressor of --regressor {APP_CHOICE}; delete it, and auto fetches its own.")
    return regressor


def _kept(public: PublicRegressor, weights_folder: Path) -> Path:
    """The file in the ``weights/`` folder, downloaded where it is missing."""
    path = weights_folder / public.kept_as
    if not path.is_file():
        _download(public, path)
    return path


def _download(public: PublicRegressor, target: Path) -> None:
    """Fetches a public checkpoint, checks its hash and keeps it."""
    try:
        answer = httpx.get(public.url, timeout=NETWORK_SECONDS / 2, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ExportError(f"the FaceStats regressor cannot be downloaded ({type(error).__name__}).") from error
    found = hashlib.sha256(answer.content).hexdigest()
    if found != public.sha256:
        raise ExportError(f"the downloaded FaceStats regressor has SHA-256 {found}, not {public.sha256}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(answer.content)
    partial.replace(target)
