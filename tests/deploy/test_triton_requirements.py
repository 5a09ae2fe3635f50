"""NVIDIA's container has what Triton's Python models import."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IMPORTED = """
import importlib.metadata, json, sys
{imports}
owners = importlib.metadata.packages_distributions()
tops = {{name.partition(".")[0] for name in list(sys.modules)}}
print(json.dumps({{name: owners[name] for name in sorted(tops) if name in owners}}))
"""


def imports_of_models(root: Path) -> str:
    """The import statements of the Python models that name packages of the project."""
    lines = [line for path in root.glob("model_repository/*/1/model.py") for line in path.read_text().splitlines()]
    return "\n".join(line for line in lines if line.startswith("from facestats"))


def with_dependencies(names: list[str]) -> set[str]:
    """Distributions and what they need, all the way down."""
    found: set[str] = set()
    waiting: list[str] = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
        except importlib.metadata.PackageNotFoundError:
            continue
        # An extra that was asked for is not told from one that was not: both are there or the import fails.
        waiting += [canonicalize_name(each.name) for each in needed]
    return found


def test_every_import_of_the_models_is_in_the_image(root: Path) -> None:
    lines = (root / "deploy" / "docker" / "triton-requirements.txt").read_text().splitlines()
    stated = [Requirement(line).name for line in lines if line and not line.startswith("#")]
    code = IMPORTED.format(imports=imports_of_models(root))
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported: dict[str, list[str]] = json.loads(finished.stdout.splitlines()[-1])
    assert {"tritonclient", "opentelemetry", "facestats"} <= set(imported)
    # The project's own, and what a package's start-up files load whether or not anybody imports it.
    there = with_dependencies([*stated, "setuptools"]) | {"facestats-triton", "facestats-client"}
    # A namespace has several owners.
    missing = {name for name, owners in imported.items() if not there & {canonicalize_name(each) for each in owners}}
    assert missing == set()


def test_the_image_has_the_engines_that_the_gateway_has(root: Path) -> None:
    """Another landmark engine would be another receipt."""
    text = (root / "deploy" / "docker" / "triton-requirements.txt").read_text()
    assert {"mediapipe", "openvino"} <= set(text.splitlines())
