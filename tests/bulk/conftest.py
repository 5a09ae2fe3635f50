"""A model repository on which scores differ, its running service, and a collection of photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.photographs import disguises
from tests.stack import Stack


@pytest.fixture(scope="session")
def spread_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tower's export, with an attribute head: different photos get different scores."""
    import skops.io
    from rich.console import Console
    from sklearn.linear_model import LogisticRegression

    from facestats_export.options import ExportOptions
    from facestats_export.run import export_models
    from tests.export.spread_tower import write_spread_tower

    folder = tmp_path_factory.mktemp("spread")
    tower = write_spread_tower(folder)
    generator = np.random.default_rng(0)
    classifier = LogisticRegression().fit(
        generator.standard_normal((60, 512)), generator.permutation(["yes", "no"] * 30)
    )
    skops.io.dump(classifier, folder / "glasses.skops")
    options = ExportOptions(
        weights=str(tower.snapshot),
        regressor=str(tower.regressor),
        calibration=tower.calibration,
        attributes={"glasses": folder / "glasses.skops"},
        output=folder / "model_repository",
        compare_triton=False,
        precision="fp32",
    )
    export_models(options, Console(stderr=True, quiet=True))
    return options.output


@pytest.fixture(scope="session")
def spread_stack(spread_repository: Path) -> Iterator[Stack]:
    """The running service on that repository."""
    with Stack(spread_repository) as running:
        yield running


@pytest.fixture(scope="session")
def photos(example_path: Path) -> list[bytes]:
    """Distinct photos of the example's face."""
    return list(disguises(example_path, 100))
