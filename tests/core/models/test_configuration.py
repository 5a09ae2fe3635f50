"""Whole configurations, valid and damaged, through the one reader and the one writer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facestats.models.configuration import RepositoryError, config_json, read_config, write_config

CONFIGURATIONS = Path(__file__).parent / "configurations"
VALID = sorted((CONFIGURATIONS / "valid").glob("*.pbtxt"))
INVALID = sorted((CONFIGURATIONS / "invalid").glob("*.pbtxt"))


def tracked(root: Path) -> list[Path]:
    return sorted((root / "model_repository").glob("*/config.pbtxt"))


def test_there_are_configurations_to_read(root: Path) -> None:
    assert len(VALID) >= 3
    assert len(INVALID) >= 7
    assert len(tracked(root)) >= 6


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_what_was_read_and_written_reads_the_same(path: Path, tmp_path: Path) -> None:
    config = read_config(path)
    assert config.name == path.stem
    write_config(tmp_path / "model" / "configs" / "exported.pbtxt", config)
    assert read_config(tmp_path / "model" / "configs" / "exported.pbtxt") == config


def test_the_project_s_own_survive_the_round_trip(root: Path, tmp_path: Path) -> None:
    for path in tracked(root):
        config = read_config(path)
        assert config.name == path.parent.name
        write_config(tmp_path / path.parent.name, config)
        assert read_config(tmp_path / path.parent.name) == config


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_damaged_one_is_one_sentence_that_names_the_file(path: Path) -> None:
    with pytest.raises(RepositoryError, match=rf"{path.name}' cannot be read: .+\.$"):
        read_config(path)


def test_a_missing_one_and_a_folder_are_named_too(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.pbtxt", tmp_path):
        with pytest.raises(RepositoryError, match=f"'{path}' cannot be read"):
            read_config(path)


def test_the_json_form_has_the_text_form_s_names() -> None:
    document = config_json(read_config(CONFIGURATIONS / "valid" / "everything.pbtxt"))
    assert document["max_batch_size"] == 32
    assert document["instance_group"] == [{"count": 2, "kind": "KIND_GPU", "gpus": [0]}]
    assert document["parameters"]["intra_op_thread_count"] == {"string_value": "2"}
    assert document["version_policy"] == {"specific": {"versions": ["2", "3"]}}


def test_an_unchanged_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "exported.pbtxt"
    config = read_config(CONFIGURATIONS / "valid" / "minimal.pbtxt")
    write_config(path, config)
    os.utime(path, ns=(1, 1))
    write_config(path, config)
    assert path.stat().st_mtime_ns == 1
    config.max_batch_size = 4
    write_config(path, config)
    assert path.stat().st_mtime_ns > 1
    assert [each.name for each in tmp_path.iterdir()] == ["exported.pbtxt"]
