"""The model repository on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from facestats_export.errors import ExportError
from facestats_export.repository import (
    ENSEMBLES,
    prepare_repository,
    read_config,
    read_parameters,
    tracked_models,
    versions,
)


def test_another_folder_gets_the_tracked_files_only(root: Path, tmp_path: Path) -> None:
    source, output = root / "model_repository", tmp_path / "repository"
    prepare_repository(output, source)
    assert tracked_models(output) == tracked_models(source)
    assert (output / "image_decoder" / "1" / "model.py").read_bytes() == (
        source / "image_decoder" / "1" / "model.py"
    ).read_bytes()
    assert (output / "clip_image_encoder" / "configs" / "tensorrt.pbtxt").is_file()
    assert not list(output.rglob("exported*"))
    assert not list(output.rglob("*.onnx"))
    assert all((output / name / "1").is_dir() for name in ENSEMBLES)


def test_preparing_again_touches_nothing_but_what_changed(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "repository"
    prepare_repository(output, root / "model_repository")
    (output / "score_mask" / "config.pbtxt").write_text("changed")
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    prepare_repository(output, root / "model_repository")
    changed = {path for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {output / "score_mask" / "config.pbtxt"}


def test_what_is_no_repository_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="is a file"):
        prepare_repository(tmp_path / "file", root / "model_repository")
    with pytest.raises(ExportError, match="is missing"):
        prepare_repository(tmp_path / "output", tmp_path / "nothing")


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
    with pytest.raises(ExportError, match="cannot be read"):
        read_parameters(tmp_path)
    with pytest.raises(ExportError, match="cannot be read"):
        read_config(tmp_path / "nothing.pbtxt")
