"""docker-compose.yml is valid for every profile and keeps its promises."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from facestats.settings import ModelServerSettings, ScoringSettings
from facestats_docs.compose_settings import with_settings
from facestats_gateway.settings import Settings

PROFILES = ["cpu", "gpu", "cpu,monitoring", "gpu,monitoring"]


@pytest.fixture(scope="module", params=PROFILES)
def rendered(root: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    command = shutil.which("docker-compose")
    if command is None:
        pytest.skip("needs docker-compose (Debian's package of that name)")
    environment = os.environ | {"COMPOSE_PROFILES": str(request.param)}
    answer = subprocess.run([command, "config"], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = yaml.safe_load(answer.stdout)
    return document


@pytest.fixture(scope="module")
def services(root: Path) -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((root / "docker-compose.yml").read_text())
    return document["services"]


def test_every_profile_is_valid(rendered: dict[str, Any]) -> None:
    assert {"gateway", "triton"} <= set(rendered["services"])


def test_cpu_is_the_default(root: Path) -> None:
    lines = (root / ".env").read_text().splitlines()
    assert "COMPOSE_PROFILES=cpu" in lines


def started(services: dict[str, dict[str, Any]], profile: str) -> set[str]:
    return {name for name, service in services.items() if profile in service.get("profiles", [profile])}


def test_a_profile_starts_its_own_triton_only(services: dict[str, dict[str, Any]]) -> None:
    assert started(services, "cpu") == {"gateway", "export", "triton"}
    assert started(services, "gpu") == {"gateway", "export-gpu", "triton-gpu"}


def test_tritons_ports_stay_on_the_compose_network(rendered: dict[str, Any]) -> None:
    for name in ("triton", "triton-gpu"):
        service = rendered["services"][name]
        assert "ports" not in service
        assert set(service["networks"]) == {"backend"}
    assert rendered["networks"]["backend"]["internal"] is True


def test_every_service_is_confined_and_bounded(rendered: dict[str, Any]) -> None:
    for name, service in rendered["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] in ("unless-stopped", "no"), name
        limits = service["deploy"]["resources"]["limits"]
        assert limits["cpus"], name
        assert limits["memory"], name
        if "export" not in name:
            assert service["read_only"] is True, name


def test_both_tritons_answer_to_the_name_the_gateway_asks_for(services: dict[str, dict[str, Any]]) -> None:
    assert services["gateway"]["environment"]["FACESTATS_TRITON_URLS"] == "dns:///triton:8001"
    for name in ("triton", "triton-gpu"):
        assert services[name]["networks"]["backend"]["aliases"] == ["triton"]


def test_the_gpu_profile_reserves_a_gpu_and_keeps_its_engines(services: dict[str, dict[str, Any]]) -> None:
    triton = services["triton-gpu"]
    assert triton["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert any(volume.startswith("engines:") for volume in triton["volumes"])
    assert "tensorrt" in services["export-gpu"]["command"]


def test_every_setting_is_passed_through(services: dict[str, dict[str, Any]]) -> None:
    # Where it listens is the image's affair.
    expected = variables(Settings) - {"FACESTATS_HOST", "FACESTATS_PORT"}
    environment = services["gateway"]["environment"]
    assert set(environment) == expected
    assert {name: value for name, value in environment.items() if value is not None} == {
        "FACESTATS_TRITON_URLS": "dns:///triton:8001"
    }
    # psl asks the models beside it, so how to reach a model server is nothing to it.
    for name in ("triton", "triton-gpu"):
        assert set(services[name]["environment"]) == variables(ScoringSettings) - variables(ModelServerSettings)


def test_the_settings_are_those_that_make_docs_writes(root: Path) -> None:
    text = (root / "docker-compose.yml").read_text()
    assert with_settings(text) == text, "run `make docs`"


def variables(settings: type[BaseSettings]) -> set[str]:
    return {f"FACESTATS_{name.upper()}" for name in settings.model_fields}


def test_a_setting_of_the_shell_reaches_the_gateway_and_an_unset_one_does_not(root: Path) -> None:
    command = shutil.which("docker-compose")
    if command is None:
        pytest.skip("needs docker-compose (Debian's package of that name)")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FACESTATS_")}
    environment |= {"FACESTATS_RATE_LIMIT": "600/minute", "FACESTATS_THREADS": "3", "COMPOSE_PROFILES": "cpu"}
    answer = subprocess.run([command, "config"], cwd=root, env=environment, capture_output=True, text=True, check=True)
    rendered = yaml.safe_load(answer.stdout)["services"]
    found = {name: value for name, value in rendered["gateway"]["environment"].items() if value is not None}
    assert found == {
        "FACESTATS_RATE_LIMIT": "600/minute",
        "FACESTATS_THREADS": "3",
        "FACESTATS_TRITON_URLS": "dns:///triton:8001",
    }
    assert rendered["triton"]["environment"]["FACESTATS_THREADS"] == "3"


def test_files_mounted_from_the_repository_exist(root: Path, services: dict[str, dict[str, Any]]) -> None:
    mounted = [
        volume.split(":")[0]
        for service in services.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert len(mounted) == 3
    for path in mounted:
        assert (root / path).is_dir(), path
