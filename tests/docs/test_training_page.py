"""The page on training, done as it says on a small generated set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facestats.models.repository import ENSEMBLES, read_parameters
from tests.docs.test_snippets import snippets
from tests.export.conftest import quietly, spread_options
from tests.export.spread_tower import write_spread_tower
from tests.stack import Stack
from tests.training.rated_photos import write_rated_photos

pytestmark = pytest.mark.integration

PHOTOS = 160


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The running service for the page's commands, and CLIP's weights for its export."""
    folder = tmp_path_factory.mktemp("service")
    tower = write_spread_tower(folder)
    quietly(spread_options(tower, folder / "model_repository"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with Stack(folder / "model_repository") as running:
        yield os.environ | {"PATH": path, "FACESTATS_URL": running.url, "FACESTATS_WEIGHTS": str(tower.snapshot)}


def test_the_page_leads_from_photos_and_a_table_to_a_served_regressor(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_rated_photos(tmp_path, PHOTOS)
    # An empty one in the folder is exported to.
    (tmp_path / "model_repository").mkdir()
    commands = [snippet for snippet in snippets("training.md") if snippet.language == "bash"]
    assert [snippet.code.split()[0] for snippet in commands] == ["facestats", "head", "facestats"]
    printed = []
    for snippet in commands:
        command = ["bash", "-euo", "pipefail", "-c", snippet.code]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, f"{snippet.page}:{snippet.line}\n{done.stdout}\n{done.stderr}"
        printed.append(done.stdout)
    report = json.loads((tmp_path / "trained" / "report.json").read_text())
    assert report["verdict"] == "learnt"
    assert report["statement"] in printed[1]
    assert "r within sex" in printed[1]
    assert read_parameters(tmp_path / "model_repository" / ENSEMBLES[0])["training"] == report["statement"]
