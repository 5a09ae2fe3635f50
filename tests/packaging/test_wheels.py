"""The wheels are the product: built, installed outside the checkout, and used in an empty folder.

What they depend on is borrowed from this environment, without its editable installations; `make check-wheel` installs
everything anew.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from tests.stack import SERVES

IN_THE_WHEEL = ("core", "gateway", "export", "local_triton", "cli", "evaluation", "bulk", "training")
SOURCES = (*IN_THE_WHEEL, "client", "model_repository", "examples")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "THIRD_PARTY_NOTICES.md")
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "exported*.pbtxt", "model.onnx")

GENERATED = (
    "clip_image_encoder/1/model.onnx",
    "clip_image_encoder/configs/exported.pbtxt",
    "clip_image_encoder/configs/exported-1.pbtxt",
    "attribute_smile/configs/exported.pbtxt",
    "clip_image_encoder/1/parity.json",
    ".tuning.json",
)
"""What an export leaves in the checkout's model repository; no release may carry it."""


@pytest.fixture(scope="module")
def wheels(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels by distribution, built from a copy of the sources in which models have been exported."""
    sources, output = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    for name in SOURCES:
        if (root / name).is_dir():
            shutil.copytree(root / name, sources / name, ignore=NOT_SOURCES)
    for name in FILES:
        shutil.copy(root / name, sources)
    for name in GENERATED:
        path = sources / "model_repository" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("weights")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(output)]
    subprocess.run([*command, str(sources), str(sources / "client")], check=True)
    return {path.name.partition("-")[0]: path for path in output.glob("*.whl")}


@pytest.fixture(scope="module")
def borrowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This environment's packages but for what is installed from the checkout."""
    folder = tmp_path_factory.mktemp("borrowed")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("facestats", "__editable__", "_editable")) and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], borrowed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a new environment with both wheels."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site_packages = next((folder / "lib").glob("python*/site-packages"))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet", "--no-deps"]
        + [str(path) for path in wheels.values()],
        check=True,
    )
    assert {path.name for path in site_packages.glob("facestats*")} >= {"facestats", "facestats_client"}
    return folder / "bin"


def environment(borrowed: Path, home: Path) -> dict[str, str]:
    """Nothing of this checkout and of this user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FACESTATS_", "PYTHON"))}
    return kept | {"PYTHONPATH": str(borrowed), "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_only_our_own_names_go_into_site_packages(wheels: dict[str, Path]) -> None:
    assert set(wheels) == {"facestats_triton", "facestats_client"}
    tops = {name.partition("/")[0] for wheel in wheels.values() for name in names(wheel)}
    assert [name for name in tops if not name.startswith("facestats")] == []
    assert "facestats_docs" not in tops


@pytest.mark.parametrize(
    ("folders", "command"),
    [
        (("core", "gateway", "cli"), "gateway"),
        (("core", "cli", "export", "local_triton", "model_repository", "examples"), "export"),
    ],
    ids=["gateway", "export"],
)
def test_an_image_s_folders_make_a_wheel_whose_commands_are_its_own(
    folders: tuple[str, ...], command: str, root: Path, borrowed: Path, tmp_path: Path
) -> None:
    sources, site_packages = tmp_path / "sources", tmp_path / "installed"
    for name in folders:
        shutil.copytree(root / name, sources / name, ignore=NOT_SOURCES)
    for name in FILES:
        shutil.copy(root / name, sources)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site_packages), str(sources)], check=True)
    variables = environment(borrowed, tmp_path)
    variables["PYTHONPATH"] = f"{site_packages}:{borrowed}"
    code = "from facestats_cli.main import installed_commands; print(*installed_commands())"
    # -S: not this environment's own site-packages, with its editable installation.
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    commands = set(run.stdout.split())
    assert command in commands
    assert not commands & ({"export", "up", "bulk"} if command == "gateway" else {"gateway", "key", "bulk"})


def test_every_package_of_the_checkout_is_in_the_wheel(wheels: dict[str, Path], root: Path) -> None:
    inside = set(names(wheels["facestats_triton"]))
    for part in IN_THE_WHEEL:
        for path in (root / part).glob("facestats*/**/*.py"):
            assert path.relative_to(root / part).as_posix() in inside


def test_the_model_repository_ships_as_it_is_tracked_and_no_weights(wheels: dict[str, Path], root: Path) -> None:
    inside = {name.partition("/")[2] for name in names(wheels["facestats_triton"]) if "model_repository/" in name}
    tracked = subprocess.run(
        ["git", "ls-files", "model_repository"], cwd=root, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("needs the checkout's git to know which files are the project's")
    assert inside == {name.partition("/")[2] for name in tracked}
    assert "facestats_examples/astronaut.jpg" in names(wheels["facestats_triton"])


def test_licences_and_python_versions_are_declared(wheels: dict[str, Path], root: Path) -> None:
    for distribution, files in (
        ("facestats_triton", {"LICENSE", "THIRD_PARTY_NOTICES.md"}),
        ("facestats_client", {"LICENSE"}),
    ):
        inside = names(wheels[distribution])
        assert files <= {name.rpartition("/")[2] for name in inside if "/licenses/" in name}
    with zipfile.ZipFile(wheels["facestats_triton"]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Requires-Python"] == "<3.13,>=3.11"
    assert {"serve", "triton", "export", "bulk", "evaluate"} <= set(metadata.get_all("Provides-Extra") or ())
    client = tomllib.loads((root / "client" / "pyproject.toml").read_text())["project"]["version"]
    assert f'facestats-client=={client}; extra == "serve"' in (metadata.get_all("Requires-Dist") or ())


def test_what_is_installed_goes_together(installed: Path, borrowed: Path, tmp_path: Path) -> None:
    checked = subprocess.run(
        [installed / "python", "-m", "pip", "check"],
        env=environment(borrowed, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("command", ["bench", "tune"])
def test_what_needs_a_checkout_says_so(command: str, installed: Path, borrowed: Path, tmp_path: Path) -> None:
    arguments = ["--repository", str(tmp_path / "repository")] if command == "tune" else []
    answer = subprocess.run(
        [installed / "facestats", command, *arguments],
        cwd=tmp_path,
        env=environment(borrowed, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert "the benchmarks are in no release" in line


def test_without_models_and_without_torch_up_says_what_to_install(
    installed: Path, borrowed: Path, tmp_path: Path
) -> None:
    without = tmp_path / "without torch"
    without.mkdir()
    for entry in borrowed.iterdir():
        if not entry.name.startswith("torch"):
            (without / entry.name).symlink_to(entry)
    answer = subprocess.run(
        [installed / "facestats", "up", "--port", "0"],
        cwd=tmp_path,
        env=environment(without, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert str(tmp_path / "data" / "facestats" / "model_repository") in line
    assert "install 'facestats-triton[serve]'" in line


@pytest.fixture
def served(
    installed: Path, borrowed: Path, exported_repository: Path, tmp_path: Path
) -> Iterator[tuple[str, dict[str, str], Path]]:
    """``facestats up`` from the wheel in an empty folder on models of the user's: address, variables, folder."""
    home, empty = tmp_path / "home", tmp_path / "empty"
    empty.mkdir()
    variables = environment(borrowed, home)
    site_packages = next((installed.parent / "lib").glob("python*/site-packages"))
    # Triton's stubs look where packages are installed.
    links = [site_packages / entry.name for entry in borrowed.iterdir() if not (site_packages / entry.name).exists()]
    for link in links:
        link.symlink_to(borrowed / link.name)
    shutil.copytree(exported_repository, home / "data" / "facestats" / "model_repository", symlinks=True)
    with subprocess.Popen(
        [installed / "facestats", "up", "--port", "0"],
        cwd=empty,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(running.stderr or ()), daemon=True)
        reader.start()
        try:
            first = running.stdout.readline().strip()
            assert first.startswith(SERVES), "".join(said)
            yield first.removeprefix(SERVES), variables, empty
        finally:
            running.terminate()
            assert running.wait(60) == 0
            reader.join(10)
            for link in links:
                link.unlink()
    assert list(empty.iterdir()) == []


@pytest.mark.integration
def test_up_and_score_work_in_an_empty_folder(
    installed: Path, served: tuple[str, dict[str, str], Path], example_path: Path
) -> None:
    url, variables, empty = served
    answer = subprocess.run(
        [installed / "facestats", "score", example_path, "--json", "--url", url],
        cwd=empty,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert 0 <= document["faces"][0]["score"] <= 100
    assert document["model"]["weights"] == "untrained"
    where = subprocess.run(
        [installed / "python", "-c", "import facestats, facestats_client; print(facestats.__file__)"],
        cwd=empty,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(installed.parent) in where
