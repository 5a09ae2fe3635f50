"""psl asks Triton for the face networks where the export says so, as it does for a GPU; landmarks are the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facestats.landmarks.networks import DETECTOR, MESH
from facestats.models.configuration import read_config, write_config
from facestats.models.repository import config_path
from facestats_local_triton.server import TritonPorts, TritonServer
from tests.export.conftest import quietly, spread_options
from tests.export.spread_tower import write_spread_tower
from tests.local_triton.triton_client import infer, statistics

pytestmark = pytest.mark.integration


def scored(repository: Path, photos: list[bytes]) -> tuple[list[dict], dict[str, int]]:
    """Each photo's document, and how many pictures Triton's face networks have seen."""
    with TritonServer(repository, TritonPorts.free(), poll_seconds=None, restart=False) as server:
        server.wait_ready(120)
        answer = infer(server.ports, "psl", {"IMAGE": np.array([[photo] for photo in photos], np.object_)})
        seen = {name: int(statistics(server.ports, name).get("inference_count", 0)) for name in (DETECTOR, MESH)}
    assert [error for error in answer["ERROR"][:, 0] if error] == []
    return [json.loads(document) for document in answer["DOCUMENT"][:, 0]], seen


def test_networks_in_triton_give_the_score_of_networks_in_the_process(face: bytes, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the comparison runs the networks in the process on OpenVINO")
    repository = tmp_path / "model_repository"
    quietly(spread_options(write_spread_tower(tmp_path), repository))
    (own,), seen = scored(repository, [face])
    assert seen == {DETECTOR: 0, MESH: 0}
    path = config_path(repository / "psl")
    config = read_config(path)
    config.parameters["face_networks_run_by"].string_value = "triton"
    write_config(path, config)
    documents, seen = scored(repository, [face, face])
    assert min(seen.values()) >= 4
    for document in documents:
        (found,), (wanted,) = document["faces"], own["faces"]
        assert found["score"] == pytest.approx(wanted["score"], abs=0.1)
        assert found["geometric"]["score"] == pytest.approx(wanted["geometric"]["score"], abs=0.1)
        # Another engine, another receipt.
        assert document["model"]["receipt"] != own["model"]["receipt"]
