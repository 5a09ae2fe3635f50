"""Shared fixtures: paths, the example photo, and one running stack per session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from facestats.landmarks.networks import FaceGraphs
from tests.stack import Stack

ROOT = Path(__file__).parent.parent

SLOW = (
    "behaviour/test_rolling_restart.py",
    "behaviour/test_several_tritons.py",
    "behaviour/test_triton_faults.py",
    "bulk/",
    "docs/test_training_page.py",
    "export/",
    "gateway/test_generated_clients.py",
    "packaging/",
    "training/",
)
"""Whose integration tests are left to `make test-all`: many exports, clusters, whole trainings, faults by the dozen."""


THOROUGH = (
    "behaviour/",
    "benchmarks/",
    "cli/test_calibrate.py",
    "client/test_retries.py",
    "core/faces/test_conditions.py",
    "core/faces/test_turned.py",
    "core/holistic/test_triton_channel.py",
    "core/holistic/test_triton_stopping.py",
    "core/landmarks/",
    "deploy/test_dockerfiles.py",
    "docs/",
    "evaluation/test_run.py",
    "export/",
    "gateway/test_access.py",
    "gateway/test_batch.py",
    "gateway/test_dependencies.py",
    "gateway/test_head_requests.py",
    "gateway/test_looksmax_routes.py",
    "packaging/",
    "training/",
)
"""What needs no server and is left to `make test` all the same: many photos, whole apps, graphs, trainings."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the integration tests that take minutes each, and of the others those that take seconds."""
    for item in items:
        where = item.path.relative_to(ROOT / "tests").as_posix()
        if item.get_closest_marker("integration"):
            if where.startswith(SLOW):
                item.add_marker(pytest.mark.slow)
        elif where.startswith(THOROUGH):
            item.add_marker(pytest.mark.thorough)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def example_path(root: Path) -> Path:
    """The example photo (NASA, public domain)."""
    return root / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def face(example_path: Path) -> bytes:
    """The example photo as it is sent: an encoded JPEG."""
    return example_path.read_bytes()


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


@pytest.fixture(scope="session")
def face_networks() -> FaceGraphs:
    """The face networks as an export writes them, without their golden face."""
    from facestats_export.facenets.networks import face_graphs

    return face_graphs()


@pytest.fixture(scope="session")
def exported_repository(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with CLIP ViT-B/32 exported into it, exactly as `facestats export` does; read only.

    The processes of a parallel run share one.
    """
    from rich.console import Console

    from facestats_export.options import ExportOptions
    from facestats_export.run import export_models

    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    output, done = folder / "exported" / "model_repository", folder / "exported" / "done"
    with FileLock(folder / "exported.lock"):
        if not done.exists():
            options = ExportOptions(weights="untrained", regressor="untrained", output=output, precision="fp32")
            export_models(options, Console(stderr=True, quiet=True))
            done.touch()
    return output


@pytest.fixture(scope="session")
def stack(exported_repository: Path) -> Iterator[Stack]:
    """The running service: container-free Triton and gateway, one for the whole session; do not break it."""
    with Stack(exported_repository) as running:
        yield running


@pytest.fixture(scope="session")
def gateway_url(stack: Stack) -> str:
    """The running gateway's address."""
    return stack.url
