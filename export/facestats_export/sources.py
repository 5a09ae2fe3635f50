"""Where the regressor comes from: a file, the operator's ``weights/`` folder, the public one, or random weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from facestats_export.checkpoints import load_regressor
from facestats_export.errors import ExportError
from facestats_export.regressor import Regressor, untrained_regressor

PUBLIC_URL = (
    "https://raw.githubusercontent.com/jayklarin/FaceStats/719968b31d195ed4c5925240cf2e821742ae5277/"
    "src/models/attractiveness_regressor.pt"
)
PUBLIC_SHA256 = "bc770ea35dca0dff5d60a315140b04c2ae6d9b08245439827d21ca6bc03892d3"
FILE_NAME = "attractiveness_regressor.pt"
NETWORK_SECONDS = 10.0


def find_regressor(
    choice: str, weights_folder: Path, notify: Callable[[str], None], *, trust_pickle: bool = False
) -> Regressor:
    """Loads the regressor asked for.

    Args:
        choice: ``auto`` (``weights_folder``, else the public file, else untrained), ``untrained``, or a path.
        weights_folder: Git-ignored folder in which checkpoints are kept.
        notify: Told in one sentence why ``auto`` fell back.
        trust_pickle: Whether a pickle of a scikit-learn model may be loaded, which runs the code in it.

    Raises:
        ExportError: The regressor asked for cannot be had.
    """
    if choice == "untrained":
        return untrained_regressor()
    if choice != "auto":
        return load_regressor(Path(choice), trust_pickle=trust_pickle)
    kept = weights_folder / FILE_NAME
    try:
        if not kept.is_file():
            _download(kept)
        return load_regressor(kept)
    except ExportError as error:
        if kept.is_file():
            raise
        notify(f"{error} Using an untrained regressor instead.")
        return untrained_regressor()


def _download(target: Path) -> None:
    """Fetches the public checkpoint, checks its hash and keeps it."""
    try:
        answer = httpx.get(PUBLIC_URL, timeout=NETWORK_SECONDS / 2, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ExportError(f"the FaceStats regressor cannot be downloaded ({type(error).__name__}).") from error
    found = hashlib.sha256(answer.content).hexdigest()
    if found != PUBLIC_SHA256:
        raise ExportError(f"the downloaded FaceStats regressor has SHA-256 {found}, not {PUBLIC_SHA256}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(answer.content)
    partial.replace(target)
