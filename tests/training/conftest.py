"""What the training tests share: the ages of the reference faces as something real to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from facestats_export.reference_faces import reference_faces
from facestats_training.rated import RatedEmbeddings, checked
from facestats_training.run import TrainingOptions, run_training


def rated(embedding: np.ndarray, rating: np.ndarray, **others: np.ndarray) -> RatedEmbeddings:
    """Rows as they come from a file."""
    count = len(rating)
    fields = {
        "filename": np.arange(count).astype(str),
        "sex": None,
        "group": None,
        "geometric": None,
        "photo": np.arange(count),
    }
    return RatedEmbeddings(embedding.astype(np.float32), rating.astype(float), **(fields | others))  # type: ignore[arg-type]


def ages() -> tuple[np.ndarray, np.ndarray]:
    """[355, 512] real CLIP embeddings and [355] ages."""
    faces = reference_faces()
    known = ~np.isnan(faces.age)
    return faces.embedding[known], faces.age[known].astype(float)


@pytest.fixture(scope="session")
def aged() -> RatedEmbeddings:
    """The reference faces with ages as ratings."""
    return checked(rated(*ages()), pytest.fail)


def train_quietly(source: Path, out: Path, **options: object) -> dict[str, object]:
    """A training without progress; its report."""
    return run_training(TrainingOptions(source, out, "a test", **options), Console(quiet=True))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def age_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference faces' embeddings and ages, as ``--embeddings`` reads them."""
    path = tmp_path_factory.mktemp("ages") / "ages.npz"
    embedding, age = ages()
    np.savez(path, embedding=embedding, rating=age)
    return path


@pytest.fixture(scope="session")
def trained(age_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a regressor trained on the ages; read only."""
    out = tmp_path_factory.mktemp("trained")
    train_quietly(age_file, out)
    return out
