"""NPZ files: text kept as objects is read, anything that could run is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facestats_training.errors import TrainingError
from facestats_training.plain_arrays import read_arrays
from tests.export.pickle_bomb import Bomb, assert_harmless


def test_numbers_text_and_objects_come_back(tmp_path: Path) -> None:
    written = {
        "embedding": np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "sex": np.array(["female", "male"]),
        "group": np.array(["a", None, 3, "é"], dtype=object),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "arrays.npz", **written)
        found = read_arrays(tmp_path / "arrays.npz")
        assert set(found) == set(written)
        for name, values in written.items():
            np.testing.assert_array_equal(found[name], values)


def test_a_bomb_is_not_set_off(tmp_path: Path) -> None:
    np.savez(tmp_path / "bomb.npz", filename=np.array([Bomb(tmp_path / "executed")], dtype=object))
    with assert_harmless(tmp_path / "executed"), pytest.raises(TrainingError, match="not plain data"):
        read_arrays(tmp_path / "bomb.npz")


def test_objects_that_are_no_text_and_no_numbers_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "lists.npz", filename=np.array([["a"], ["b", "c"]], dtype=object))
    with pytest.raises(TrainingError, match="neither text nor numbers"):
        read_arrays(tmp_path / "lists.npz")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"a,b\n1,2\n", None], ids=["empty", "cut", "csv", "missing"])
def test_what_is_no_npz_file_is_refused(data: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(TrainingError, match="cannot be read as an NPZ file"):
        read_arrays(path)


def test_a_cut_array_is_refused(tmp_path: Path) -> None:
    import zipfile

    np.savez(tmp_path / "whole.npz", rating=np.arange(1000.0))
    with zipfile.ZipFile(tmp_path / "whole.npz") as whole, zipfile.ZipFile(tmp_path / "cut.npz", "w") as cut:
        cut.writestr("rating.npy", whole.read("rating.npy")[:-100])
    with pytest.raises(TrainingError, match="cannot be read as an NPZ file"):
        read_arrays(tmp_path / "cut.npz")
