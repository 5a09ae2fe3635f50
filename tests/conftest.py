"""Shared fixtures: paths, the example photo, and one running stack per session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def example_path(root: Path) -> Path:
    """The example photo (NASA, public domain)."""
    return root / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def photo(example_path: Path) -> np.ndarray:
    """The example photo, [512, 512, 3] uint8 RGB."""
    with Image.open(example_path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="session")
def shared_dir(root: Path) -> Path:
    """Trial data that is never part of the repository; tests that need it skip where it is absent."""
    path = root.parent / "shared"
    if not path.is_dir():
        pytest.skip("needs the shared trial data (checkpoints, rated photos) in ../shared, which is absent")
    return path
