"""``facestats gateway``: what keeps it from starting is one sentence."""

from __future__ import annotations

import socket

import pytest
from typer.testing import CliRunner

from facestats_cli.main import app
from facestats_gateway.command import port_is_free, require_address


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
