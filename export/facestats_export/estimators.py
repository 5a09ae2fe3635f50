"""Scikit-learn estimators from files: ``skops`` without trust, pickles only with it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

from facestats_export.errors import ExportError

_OPTIMISERS = tuple(
    f"sklearn.neural_network._stochastic_optimizers.{name}" for name in ("AdamOptimizer", "SGDOptimizer")
)
"""Plain numbers that every trained multi-layer perceptron carries, and that skops does not know."""


def is_skops(data: bytes) -> bool:
    """Whether these are the bytes of a ``skops`` file."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return False
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return "schema.json" in archive.namelist()


def load_estimator(path: Path, *, trust_pickle: bool) -> tuple[Any, str]:
    """Reads a scikit-learn estimator.

    Args:
        path: A ``skops`` file, or a pickle (``pickle`` or ``joblib``).
        trust_pickle: Whether a pickle may be loaded. Unpickling runs whatever code the file's author put into it.

    Returns:
        The estimator and the file's SHA-256, hex.

    Raises:
        ExportError: The file cannot be read, or is a pickle without ``trust_pickle``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"'{path}' cannot be read ({error.strerror}).") from error
    return load_estimator_bytes(data, path, trust_pickle=trust_pickle), hashlib.sha256(data).hexdigest()


def load_estimator_bytes(data: bytes, path: Path, *, trust_pickle: bool) -> Any:
    """As ``load_estimator``, from bytes that were read already; ``path`` is for the messages."""
    if is_skops(data):
        return _load_skops(data, path)
    if not trust_pickle:
        raise ExportError(
            f"'{path}' is no skops file, and loading a pickle would run the code in it; nothing in it was executed. "
            "If you trust its author give --trust-pickle."
        )
    import joblib

    try:
        return joblib.load(io.BytesIO(data))
    except Exception as error:
        # Unpickling may raise anything its author wrote.
        raise ExportError(f"'{path}' cannot be unpickled ({type(error).__name__}: {error}).") from error


def _load_skops(data: bytes, path: Path) -> Any:
    import skops.io

    untrusted = [name for name in skops.io.get_untrusted_types(data=data) if name not in _OPTIMISERS]
    if untrusted:
        raise ExportError(f"the skops file '{path}' wants types that are not trusted: {', '.join(untrusted[:3])}.")
    try:
        return skops.io.loads(data, trusted=list(_OPTIMISERS))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ExportError(f"the skops file '{path}' is damaged ({type(error).__name__}: {error}).") from error
