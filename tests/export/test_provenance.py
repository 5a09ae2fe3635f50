"""Hashes of what is served."""

from __future__ import annotations

from pathlib import Path

from facestats.holistic.provenance import UNKNOWN, Provenance
from facestats.scoring.blend import BlendWeights
from facestats_export.configs import model_configs
from facestats_export.provenance import GOLDEN_TOLERANCE, configs_sha256, graphs_sha256, library_versions
from facestats_export.repository import ENCODER

PARAMETERS = {
    "clip": "some tower",
    "regressor": "sha256:00",
    "graphs": "sha256:01",
    "preprocessing": "clip/1",
    "calibration_sha256": "sha256:02",
    "precision": "fp32",
    "parity_score_worst": "0.001",
    "torch_version": "2",
}


def test_graphs_hash_depends_on_every_graph_and_its_name_but_not_on_order() -> None:
    hashes = {
        graphs_sha256(graphs)
        for graphs in ({"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}, {"a": b"1"}, {"a": b"1", "c": b"2"})
    }
    assert len(hashes) == 4
    assert graphs_sha256({"a": b"1", "b": b"2"}) == graphs_sha256({"b": b"2", "a": b"1"})


def test_configurations_hash_sees_every_setting(root: Path) -> None:
    def configs() -> dict:
        return model_configs(root / "model_repository", "cpu", "fp32", {}, ())

    changed = configs()
    changed[ENCODER].dynamic_batching.max_queue_delay_microseconds = 100
    assert configs_sha256(changed) != configs_sha256(configs())
    assert configs_sha256(configs()) == configs_sha256(configs())


def test_versions_of_what_computed_are_known() -> None:
    assert {"torch_version", "onnxruntime_version", "transformers_version", "onnx_version"} == library_versions().keys()
    assert GOLDEN_TOLERANCE.keys() == {"fp32", "fp16", "int8"}


def test_receipt_changes_with_whatever_makes_scores_incomparable() -> None:
    def receipt(parameters: dict[str, str], geometric: float = 0.6, geometry: str = "metrics") -> str:
        return Provenance(parameters).receipt(BlendWeights(geometric, 1 - geometric), geometry)

    hashed = ("clip", "regressor", "graphs", "preprocessing", "calibration_sha256")
    receipts = [receipt(PARAMETERS | {name: "another"}) for name in hashed]
    receipts += [receipt(PARAMETERS), receipt(PARAMETERS, 0.5), receipt(PARAMETERS, geometry="shape")]
    assert len(set(receipts)) == len(receipts)
    for name in ("parity_score_worst", "torch_version"):
        assert receipt(PARAMETERS | {name: "another"}) == receipt(PARAMETERS)
    assert receipt({}) == UNKNOWN
