from __future__ import annotations

import csv
from pathlib import Path

import pytest

from facestats_local_triton.errors import TritonError
from facestats_local_triton.perf_analyzer import link_libraries, run_perf_analyzer
from facestats_local_triton.server import TritonPorts, TritonServer
from tests.local_triton.tiny_models import add_scale_model


def test_bundled_libraries_get_the_names_it_asks_for(tmp_path: Path) -> None:
    bundled, links = tmp_path / "bundled", tmp_path / "links"
    bundled.mkdir()
    links.mkdir()
    (bundled / "libb64-98cb6333.so.0d").touch()
    with pytest.raises(TritonError, match=r"bundles no libcudart.so.12"):
        link_libraries(bundled, links)
    (links / "libb64.so.0d").unlink()
    (bundled / "libcudart-09529672.so.12.6.77").touch()
    link_libraries(bundled, links)
    assert (links / "libb64.so.0d").resolve() == bundled / "libb64-98cb6333.so.0d"
    assert (links / "libcudart.so.12").resolve() == bundled / "libcudart-09529672.so.12.6.77"


@pytest.mark.integration
@pytest.mark.parametrize("shared_memory", ["none", "system"])
def test_measures_a_running_server(tmp_path: Path, shared_memory: str) -> None:
    add_scale_model(tmp_path / "models")
    report = tmp_path / "report.csv"
    with TritonServer(tmp_path / "models", TritonPorts.free(), open_apis=["shared-memory"]) as server:
        server.wait_ready(60)
        measurement = ["--measurement-mode", "count_windows", "--measurement-request-count", "50", "-s", "999"]
        measurement += ["--shared-memory", shared_memory, "--output-shared-memory-size", "1024"]
        target = ["-m", "scale", "-i", "grpc", "-u", f"127.0.0.1:{server.ports.grpc}", "-f", str(report)]
        result = run_perf_analyzer([*target, *measurement], timeout=120)
        refused = run_perf_analyzer([*target[:1], "absent", *target[2:]], timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    (row,) = csv.DictReader(report.open())
    assert float(row["Inferences/Second"]) > 0
    assert refused.returncode != 0
