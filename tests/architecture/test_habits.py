"""What contributors rely on says the same everywhere it is said."""

from __future__ import annotations

import re
from pathlib import Path

import yaml


def lint_commands(root: Path) -> list[str]:
    """What `make lint` runs."""
    recipe = (root / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()[1:]]


def test_pre_commit_runs_what_make_lint_runs(root: Path) -> None:
    (local,) = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == lint_commands(root)
    assert all(hook["language"] == "system" for hook in local["hooks"])


def test_the_ci_workflow_calls_ci_run_and_knows_our_pythons(root: Path) -> None:
    jobs = yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert ".ci/run" in [step.get("run") for step in jobs["test"]["steps"]]
    assert (root / ".ci" / "run").stat().st_mode & 0o111
    assert jobs["wheel"]["strategy"]["matrix"]["python"] == ["3.11", "3.12"]


def test_the_changelog_names_the_tritons_it_speaks_to(root: Path) -> None:
    newest = (root / "CHANGELOG.md").read_text().partition("## Unreleased")[2].partition("\n## ")[0]
    dockerfile = (root / "deploy" / "docker" / "triton.Dockerfile").read_text()
    (container,) = re.findall(r"^FROM nvcr\.io/nvidia/tritonserver:(\d+\.\d+)-py3$", dockerfile, re.M)
    (version,) = re.findall(r"^# NVIDIA's Triton (\d+\.\d+)", dockerfile, re.M)
    (wheel,) = re.findall(r'"nvidia-pytriton==([\d.]+)"', (root / "pyproject.toml").read_text())
    assert f"container {container} ({version})" in newest
    assert f"nvidia-pytriton {wheel}" in newest


def test_every_decision_is_in_the_table(root: Path) -> None:
    folder = root / "docs" / "decisions"
    table = (folder / "README.md").read_text()
    assert {path.name for path in folder.glob("*.md")} - {"README.md"} == set(re.findall(r"\]\(([a-z-]+\.md)\)", table))
