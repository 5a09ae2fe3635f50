"""What the model card says of the public regressors is what the reference faces say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from facestats_docs.regressor_table import END, START, with_current_table
from facestats_export.sources import FACESTATS, FACESTATS_APP


@pytest.fixture
def weights(shared_dir: Path, tmp_path: Path) -> Path:
    """A ``weights/`` folder with both public checkpoints."""
    for public, sizes in ((FACESTATS, "512-256-256-1"), (FACESTATS_APP, "512-256-64-1")):
        shutil.copy(shared_dir / "facestats" / f"attractiveness_regressor_{sizes}.pt", tmp_path / public.kept_as)
    return tmp_path


def test_the_committed_page_is_current(root: Path, weights: Path) -> None:
    page = (root / "docs" / "model-card.md").read_text("utf-8")
    command = "python -m facestats_docs.regressor_table docs/model-card.md weights"
    assert with_current_table(page, weights) == page, f"run: {command}"


def test_a_page_without_markers_is_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match="no markers"):
        with_current_table(f"{END} {START}", weights)
