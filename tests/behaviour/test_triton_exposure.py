"""Triton is reachable from this machine only, and nobody can load or unload its models over the network."""

from __future__ import annotations

from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from tests.stack import Stack

pytestmark = pytest.mark.integration


def test_ports_are_on_loopback_only(stack: Stack) -> None:
    (server,) = (
        child for child in psutil.Process(stack.process.pid).children(recursive=True) if child.name() == "tritonserver"
    )
    listening = [each.laddr for each in server.net_connections() if each.status == psutil.CONN_LISTEN]
    assert {address.port for address in listening} >= {stack.grpc_port, stack.http_port, stack.metrics_port}
    # A socket for both families shows IPv4 addresses mapped into IPv6.
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


@pytest.mark.parametrize("action", ["load", "unload"])
def test_models_cannot_be_controlled_over_the_network(stack: Stack, action: str) -> None:
    answer = httpx.post(f"http://{stack.http}/v2/repository/models/attractiveness/{action}", json={})
    assert answer.status_code == 403
    assert "restricted" in answer.text
    assert httpx.get(f"http://{stack.http}/v2/models/attractiveness/ready").status_code == 200


def test_compose_publishes_no_port_of_triton(root: Path) -> None:
    compose = yaml.safe_load((root / "docker-compose.yml").read_text())
    tritons = {name: service for name, service in compose["services"].items() if name.startswith("triton")}
    assert tritons
    for service in tritons.values():
        assert "ports" not in service
        assert list(service["networks"]) == ["backend"]
    assert compose["networks"]["backend"]["internal"] is True
