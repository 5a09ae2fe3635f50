"""Arrays from an NPZ file, text kept as Python objects included, without running anything that is in it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from facestats_training.errors import TrainingError

_HARMLESS = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
"""What a pickled array of text or numbers is made of."""


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Reads all arrays of an NPZ file.

    Columns of a pandas table arrive as arrays of objects, which NumPy stores as a pickle and refuses to load safely;
    here such a pickle may hold text and numbers and nothing else.

    Raises:
        TrainingError: The file is no NPZ file, is damaged, or holds more than plain values.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for name in archive.namelist():
                with archive.open(name) as file:
                    arrays[name.removesuffix(".npy")] = _read_array(file)
            return arrays
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, pickle.UnpicklingError, AttributeError) as error:
        raise TrainingError(f"'{path}' cannot be read as an NPZ file of plain arrays ({error}).") from error


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}, which is not plain data")
        return super().find_class(module, name)


def _read_array(file: IO[bytes]) -> NDArray[Any]:
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)  # type: ignore[no-untyped-call]
    if dtype.hasobject:
        array: NDArray[Any] = _PlainUnpickler(file).load()
        if not isinstance(array, np.ndarray) or not all(
            isinstance(item, (str, int, float, type(None))) for item in array.flat
        ):
            raise ValueError("it holds objects that are neither text nor numbers")
        return array
    data = np.frombuffer(file.read(), dtype)
    return data.reshape(shape, order="F" if fortran else "C")
