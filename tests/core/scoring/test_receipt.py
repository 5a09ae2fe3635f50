"""Equal receipts mean comparable scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files

import pytest

from facestats.geometry import reference
from facestats.holistic.provenance import UNKNOWN, Provenance
from facestats.scoring import receipt as receipts
from facestats.scoring.blend import BlendWeights
from facestats.scoring.receipt import Design, receipt

DESIGN = Design(BlendWeights(), "metrics", degrade=False, reduced_decode_side=1024, landmarks="mediapipe")
HASHED = ("clip", "regressor", "graphs", "precision", "preprocessing", "calibration_sha256")
PARAMETERS = {name: f"{name} 1" for name in (*HASHED, "parity_score_worst", "torch_version")}


def test_it_changes_with_whatever_makes_scores_incomparable() -> None:
    found = [receipt(Provenance(PARAMETERS | {name: "another"}), DESIGN) for name in HASHED]
    designs = (
        DESIGN,
        replace(DESIGN, blend=BlendWeights(0.5, 0.5)),
        replace(DESIGN, geometry="shape"),
        replace(DESIGN, reduced_decode_side=512),
        replace(DESIGN, landmarks="openvino"),
    )
    found += [receipt(Provenance(PARAMETERS), design) for design in designs]
    assert len(set(found)) == len(found)


def test_it_stays_when_what_changed_is_in_no_score() -> None:
    expected = receipt(Provenance(PARAMETERS), DESIGN)
    for name in ("parity_score_worst", "torch_version"):
        assert receipt(Provenance(PARAMETERS | {name: "another"}), DESIGN) == expected
    assert receipt(Provenance(PARAMETERS), replace(DESIGN, degrade=True)) == expected


def test_without_the_graphs_it_is_unknown() -> None:
    assert receipt(Provenance(), DESIGN) == UNKNOWN


@pytest.fixture
def forget() -> Iterator[Callable[[], None]]:
    """The geometry's hash is kept for the process; what a test changed must not be."""
    receipts._geometry_data.cache_clear()
    yield receipts._geometry_data.cache_clear
    receipts._geometry_data.cache_clear()


@pytest.mark.parametrize("name", ["reference.json", "shape_model.json"])
def test_it_changes_with_the_geometry_s_data(
    name: str, forget: Callable[[], None], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = receipt(Provenance(PARAMETERS), DESIGN)
    package = tmp_path_factory.mktemp("geometry")
    for file in files("facestats.geometry").iterdir():
        if file.name.endswith(".json"):
            (package / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(reference, "files", lambda _: package)
    forget()
    assert receipt(Provenance(PARAMETERS), DESIGN) == before
    (package / name).write_text((package / name).read_text() + "\n")
    forget()
    assert receipt(Provenance(PARAMETERS), DESIGN) != before
