"""A folder is made a model repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from facestats.models.repository import ENSEMBLES, tracked_models
from facestats_export.errors import ExportError
from facestats_export.preparation import prepare_repository


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
