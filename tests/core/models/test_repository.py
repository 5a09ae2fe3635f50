"""The model repository on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from facestats.models.configuration import RepositoryError
from facestats.models.repository import ENSEMBLES, config_path, live_version, read_parameters, versions


def test_versions_are_numbers_with_a_graph(tmp_path: Path) -> None:
    for name in ("1", "10", "2", ".staged-3", "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").touch()
    (tmp_path / "4").mkdir()
    assert versions(tmp_path) == [1, 2, 10]


def test_damaged_configurations_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    assert read_parameters(tmp_path) == {}
    (tmp_path / "configs" / "exported.pbtxt").write_text("name: ")
    with pytest.raises(RepositoryError, match="cannot be read"):
        read_parameters(tmp_path)


def test_a_live_version_that_is_no_number_names_its_file(tmp_path: Path) -> None:
    assert live_version(tmp_path) is None
    path = config_path(tmp_path / ENSEMBLES[0])
    path.parent.mkdir(parents=True)
    path.write_text('parameters { key: "version" value { string_value: "two" } }')
    with pytest.raises(RepositoryError, match=r"exported\.pbtxt' names the version 'two'"):
        live_version(tmp_path)
