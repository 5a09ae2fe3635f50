"""Who may import whom: read from the source, so that an import inside a function counts too."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PARTS = {
    "core": "facestats",
    "client": "facestats_client",
    "local_triton": "facestats_local_triton",
    "export": "facestats_export",
    "training": "facestats_training",
    "bulk": "facestats_bulk",
    "evaluation": "facestats_evaluation",
    "gateway": "facestats_gateway",
    "cli": "facestats_cli",
}
"""Folder of a part to the package in it."""

ALLOWED: Mapping[str, set[str]] = {
    "facestats": set(),
    "facestats_client": set(),
    "facestats_local_triton": {"facestats"},
    "facestats_export": {"facestats", "facestats_local_triton"},
    "facestats_training": {
        "facestats",
        "facestats_client",
        "facestats_evaluation",
        "facestats_export",
        "facestats_local_triton",
    },
    "facestats_bulk": {"facestats"},
    "facestats_evaluation": {"facestats", "facestats_client"},
    "facestats_gateway": {"facestats"},
    # The command line finds the gateway by an entry point, as it does every command.
    "facestats_cli": set(PARTS.values()) - {"facestats_gateway", "facestats_cli"},
}
"""What each part may import of the others."""

HTTP = {"fastapi", "starlette", "uvicorn", "flask", "aiohttp", "httpx", "requests"}
NOT_IN_THE_CORE = HTTP | {"torch", "transformers", "subprocess", "http", "typer", "ray", "pytriton"}

LONGEST_MODULE, MOST_MODULES = 400, 16


def modules(root: Path, folder: str) -> dict[str, Path]:
    """Every module of a part by its dotted name."""
    found = {}
    for path in sorted((root / folder / PARTS[folder]).rglob("*.py")):
        name = ".".join(path.relative_to(root / folder).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> set[str]:
    """Dotted names of all that a module imports, wherever in it; ``from a import b`` gives both a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def tops(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.fixture(scope="module")
def sources(root: Path) -> dict[str, Path]:
    """Every module of the project that ships."""
    return {name: path for folder in PARTS if (root / folder).is_dir() for name, path in modules(root, folder).items()}


def test_every_folder_with_a_package_of_ours_is_known(root: Path) -> None:
    found = {path.parent.parent.name for path in root.glob("*/facestats*/__init__.py")}
    assert found - {"docs"} <= set(PARTS), "say in PARTS and ALLOWED what the new part may import"


def test_parts_import_only_what_lies_below_them(sources: dict[str, Path]) -> None:
    wrong = {}
    for name, path in sources.items():
        (part,) = tops([name])
        others = {top for top in tops(imported(path)) if top in ALLOWED} - {part} - ALLOWED[part]
        if others:
            wrong[name] = sorted(others)
    assert wrong == {}


def test_models_and_tests_of_the_repository_keep_to_the_core(root: Path) -> None:
    for path in sorted((root / "model_repository").glob("*/*/*.py")):
        assert tops(imported(path)) & set(ALLOWED) <= {"facestats"}, path


def test_the_core_knows_no_http_no_server_process_and_no_torch(sources: dict[str, Path]) -> None:
    wrong = {
        name: sorted(found)
        for name, path in sources.items()
        if tops([name]) == {"facestats"} and (found := tops(imported(path)) & NOT_IN_THE_CORE)
    }
    assert wrong == {}


def test_only_the_gateway_serves_http(sources: dict[str, Path]) -> None:
    servers = {"fastapi", "starlette", "uvicorn"}
    wrong = [
        name
        for name, path in sources.items()
        if tops([name]) != {"facestats_gateway"} and tops(imported(path)) & servers
    ]
    assert wrong == []


def test_only_the_client_asks_the_service(sources: dict[str, Path]) -> None:
    """Retries, keys and errors have one home. The export downloads a checkpoint from elsewhere."""
    elsewhere = {"facestats_export.sources"}
    wrong = [
        name
        for name, path in sources.items()
        if tops([name]) != {"facestats_client"}
        and name not in elsewhere
        and tops(imported(path)) & {"httpx", "requests", "aiohttp", "urllib3"}
    ]
    assert wrong == []


def test_nothing_that_ships_imports_what_does_not(sources: dict[str, Path]) -> None:
    lazily = {"facestats_cli.bench", "facestats_cli.tune"}
    unshipped = {"benchmarks", "tests", "deploy", "facestats_docs"}
    wrong = [name for name, path in sources.items() if name not in lazily and tops(imported(path)) & unshipped]
    assert wrong == []


def test_modules_go_round_in_no_circle(sources: dict[str, Path]) -> None:
    graph = {name: {other for other in imported(path) if other in sources} - {name} for name, path in sources.items()}
    # A package's own __init__ gathers its modules; who imports a module does not import what the package gathers.
    graph = {name: {other for other in others if not name.startswith(f"{other}.")} for name, others in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_the_core_s_rooms_go_round_in_no_circle(sources: dict[str, Path]) -> None:
    """Rooms are the folders of the core; single modules beside them are its floor (errors) and its roof (settings)."""
    graph: dict[str, set[str]] = {}
    for name, path in sources.items():
        if name.startswith("facestats.") and (room := _room(name, sources)):
            others = {_room(other, sources) for other in imported(path) if other in sources}
            graph.setdefault(room, set()).update(other for other in others if other and other != room)
    assert {"images", "geometry", "faces", "holistic", "scoring"} <= set(graph)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_modules_are_small_and_rooms_hold_a_dozen_or_so(sources: dict[str, Path]) -> None:
    long = {
        name: lines for name, path in sources.items() if (lines := len(path.read_text().splitlines())) > LONGEST_MODULE
    }
    assert long == {}
    rooms: dict[Path, int] = {}
    for name, path in sources.items():
        if name.startswith("facestats."):
            rooms[path.parent] = rooms.get(path.parent, 0) + (path.name != "__init__.py")
    full = {str(room): count for room, count in rooms.items() if count > MOST_MODULES}
    assert full == {}


def test_names_say_what_is_inside(sources: dict[str, Path]) -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "core"}
    assert [name for name in sources if name.rpartition(".")[2] in empty] == []


def _room(name: str, sources: Mapping[str, Path]) -> str:
    """The core's folder that a module lies in; empty for a module beside the folders."""
    parts = name.split(".")
    in_a_folder = len(parts) > 2 or (len(parts) == 2 and sources[name].name == "__init__.py")
    return parts[1] if in_a_folder else ""
