"""The ports of ``facestats up`` and the address it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from facestats.errors import FaceStatsError
from facestats.models.repository import ENSEMBLES, VERSION_PARAMETER
from facestats_cli import up
from facestats_gateway.server import local_url

USUAL = {8000, 8001, 8002}


def test_usual_ports_where_they_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "port_is_free", lambda host, port: True)
    ports = up.choose_ports(None, None, None)
    assert (ports.http, ports.grpc, ports.metrics) == (8000, 8001, 8002)


def test_free_ports_where_the_usual_ones_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "port_is_free", lambda host, port: port not in USUAL)
    ports = up.choose_ports(None, None, None)
    chosen = {ports.http, ports.grpc, ports.metrics}
    assert len(chosen) == 3
    assert not chosen & USUAL


def test_a_port_that_was_asked_for_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "port_is_free", lambda host, port: False)
    ports = up.choose_ports(9001, 9000, 9002)
    assert (ports.http, ports.grpc, ports.metrics) == (9000, 9001, 9002)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fd00::7", "http://[fd00::7]:80"),
        ("scores.example", "http://scores.example:80"),
    ],
)
def test_printed_address_can_be_opened_on_this_machine(host: str, url: str) -> None:
    assert local_url(host, 80) == url


def test_a_repository_of_an_older_release_is_told_what_to_do(tmp_path: Path) -> None:
    configs = tmp_path / ENSEMBLES[0] / "configs"
    configs.mkdir(parents=True)
    exported = f'name: "{ENSEMBLES[0]}" parameters {{ key: "{VERSION_PARAMETER}" value {{ string_value: "1" }} }}'
    (configs / "exported.pbtxt").write_text(exported)
    with pytest.raises(FaceStatsError, match="exported by an older release and lacks face_detector and face_mesh"):
        up.ensure_exported(tmp_path, Console())
