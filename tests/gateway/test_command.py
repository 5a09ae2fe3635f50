"""``facestats gateway``: what keeps it from starting is one sentence."""

from __future__ import annotations

import json
import socket

import pytest
from typer.testing import CliRunner

from facestats.addresses import port_is_free, require_address
from facestats_cli.main import app
from tests.asgi import NO_TRITON
from tests.gateway_process import GatewayProcess


def test_wrong_settings_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTATS_THREADS", "none")
    monkeypatch.setenv("FACESTATS_DEGRADE", "gracefully")
    result = CliRunner().invoke(app, ["gateway", "--port", "0"])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "FACESTATS_THREADS" in line
    assert "FACESTATS_DEGRADE" in line


def test_taken_port_is_one_sentence() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)
        result = CliRunner().invoke(app, ["gateway", "--port", str(port)])
    assert result.exit_code == 1
    assert result.stderr == f"facestats: port {port} is taken on 127.0.0.1; choose another with --port.\n"
    require_address("127.0.0.1", port)
    assert port_is_free("127.0.0.1", port)


def test_name_that_is_no_address_is_one_sentence() -> None:
    result = CliRunner().invoke(app, ["gateway", "--host", "no such host.invalid"])
    assert result.exit_code == 1
    assert "'no such host.invalid' is no address of this machine" in result.stderr


def test_variables_that_set_nothing_are_logged_at_the_start() -> None:
    settings = {"FACESTATS_RATELIMIT": "1/hour", "FACESTATS_API_KEY": "secret", "FACESTATS_TRITON_URLS": NO_TRITON}
    with GatewayProcess(settings | {"FACESTATS_THREADS": "1"}) as gateway:
        lines = [json.loads(line) for line in gateway.log().splitlines() if line.startswith("{")]
    said = [line for line in lines if line["logger"] == "facestats.settings"]
    assert [(line["level"], line.get("variable"), line.get("meant")) for line in said] == [
        ("warning", "FACESTATS_RATELIMIT", "FACESTATS_RATE_LIMIT"),
        ("warning", None, None),
    ]
    assert "FACESTATS_API_KEYS" in said[1]["event"]
    assert "secret" not in str(said)
