"""``facestats up`` uses a tuning while it holds, and leaves nothing of it behind when it does not."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from facestats.models.repository import ENCODER, config_path
from facestats_cli.up import tuned_settings
from facestats_local_triton.tuning import TUNING_FILE, Tuning, conditions, save_tuning
from tests.local_triton.tiny_models import tracked_as_exported

TUNING = Tuning(2, 1, 500, gateway_threads=3, max_requests_in_flight=40)


@pytest.fixture
def repository(root: Path, tmp_path: Path) -> Path:
    return tracked_as_exported(root / "model_repository", tmp_path)


def started(repository: Path) -> tuple[dict[str, int], str]:
    console = Console(file=io.StringIO(), record=True, width=200)
    return tuned_settings(repository, console), console.export_text()


@pytest.mark.parametrize("change", ["deleted", "other cores", "another export"])
def test_what_no_longer_holds_is_taken_out(change: str, repository: Path) -> None:
    config = config_path(repository / ENCODER)
    started(repository)
    untuned = config.read_text()
    present = conditions(repository)
    save_tuning(repository, TUNING, present, [])
    settings, said = started(repository)
    assert settings == {"threads": 3, "max_requests_in_flight": 40}
    assert "Using" in said
    assert config.read_text() != untuned
    if change == "deleted":
        (repository / TUNING_FILE).unlink()
    elif change == "other cores":
        save_tuning(repository, TUNING, dataclasses.replace(present, cores=4096), [])
    else:
        save_tuning(repository, TUNING, dataclasses.replace(present, graphs="sha256:11"), [])
    settings, said = started(repository)
    assert settings == {}
    assert ("not used" in said) == (change != "deleted")
    assert config.read_text() == untuned
