"""Hashes of what is served."""

from __future__ import annotations

from pathlib import Path

from facestats.models.repository import ENCODER
from facestats_export.configs import model_configs
from facestats_export.provenance import configs_sha256, graphs_sha256, library_versions


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
    computed = ("torch", "onnxruntime", "transformers", "onnx", "openvino")
    assert library_versions().keys() == {f"{name}_version" for name in computed}
