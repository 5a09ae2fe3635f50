"""``facestats rollback``."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from facestats.models.repository import ENCODER, REGRESSOR, live_version
from facestats_cli.main import app
from facestats_export.configs import model_configs
from facestats_export.preparation import prepare_repository
from facestats_export.publish import publish


@pytest.fixture
def repository(root: Path, tmp_path: Path) -> Path:
    prepare_repository(tmp_path / "repository", root / "model_repository")
    return tmp_path / "repository"


def test_returns_to_the_version_before(repository: Path) -> None:
    for content in (b"first", b"second"):
        said = {"weights": "trained", "clip": f"{content.decode()} tower", "regressor": "sha256:5", "calibration": "us"}
        configs = model_configs(repository, "cpu", "fp32", said | {"precision": "fp32", "target": "cpu"}, ())
        publish(repository, {ENCODER: content, REGRESSOR: content}, configs, {})
    done = CliRunner().invoke(app, ["rollback", "--repository", str(repository)])
    assert done.exit_code == 0
    assert done.stdout == (
        f"Version 1 of '{repository}' is live again: trained weights, CLIP first tower, regressor sha256:5, "
        "calibration us, fp32 for cpu.\n"
    )
    assert live_version(repository) == 1


@pytest.mark.parametrize("missing", [False, True], ids=["nothing exported", "no folder"])
def test_nothing_to_return_to_is_one_sentence(missing: bool, repository: Path) -> None:
    path = repository / "nothing" if missing else repository
    done = CliRunner().invoke(app, ["rollback", "--repository", str(path)])
    assert done.exit_code == 1
    assert done.stderr.startswith("facestats: ")
    assert str(path) in done.stderr
