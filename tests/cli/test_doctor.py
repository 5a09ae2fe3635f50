"""``facestats doctor`` finds what is missing and says what to do."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facestats_cli import doctor
from facestats_cli.main import app

CONFIG = """name: "{name}"
backend: "{backend}"
"""
EXPORTED = """
parameters {{ key: "weights" value {{ string_value: "{weights}" }} }}
parameters {{ key: "clip" value {{ string_value: "some tower" }} }}
parameters {{ key: "calibration" value {{ string_value: "some-calibration" }} }}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one ONNX model and its ensemble, exported and trained."""
    for name, backend in (("attractiveness", ""), ("encoder", "onnxruntime")):
        (tmp_path / name / "configs").mkdir(parents=True)
        (tmp_path / name / "1").mkdir()
        config = CONFIG.format(name=name, backend=backend)
        (tmp_path / name / "config.pbtxt").write_text(config)
        (tmp_path / name / "configs" / "exported.pbtxt").write_text(config + EXPORTED.format(weights="trained"))
    (tmp_path / "encoder" / "1" / "model.onnx").write_bytes(b"graph")
    return tmp_path


def findings(repository: Path) -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor.check_models(repository)}


def test_complete_repository_is_fine_and_its_weights_are_named(repository: Path) -> None:
    found = findings(repository)
    assert {finding.level for finding in found.values()} == {"ok"}
    assert "some tower" in found["Weights"].said


def test_missing_graph_is_a_problem_that_names_the_model(repository: Path) -> None:
    (repository / "encoder" / "1" / "model.onnx").unlink()
    found = findings(repository)["Models"]
    assert found.level == "problem"
    assert "encoder" in found.said
    assert "facestats export" in found.advice


def test_untrained_weights_are_said_to_mean_nothing(repository: Path) -> None:
    configuration = repository / "attractiveness" / "configs" / "exported.pbtxt"
    configuration.write_text(EXPORTED.format(weights="untrained"))
    found = findings(repository)["Weights"]
    assert found.level == "note"
    assert "untrained" in found.said
    assert "mean nothing" in found.advice


def test_nothing_exported_yet_is_a_note(repository: Path) -> None:
    for folder in repository.glob("*/configs"):
        shutil.rmtree(folder)
    assert findings(repository)["Models"].level == "note"
    assert findings(repository / "nowhere")["Models"].level == "note"


@pytest.mark.parametrize(("version", "level"), [((3, 9, 1), "problem"), ((3, 11, 7), "ok"), ((3, 13, 0), "problem")])
def test_python_versions(version: tuple[int, ...], level: str) -> None:
    (finding,) = doctor.check_python(version)
    assert finding.level == level


def test_installed_libraries_are_as_declared() -> None:
    (finding,) = doctor.check_libraries()
    assert finding.level == "ok", finding.said


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("FACESTATS_RATELIMIT", "FACESTATS_RATE_LIMIT"),
        ("FACESTATS_CORS", "FACESTATS_CORS_ORIGINS"),
        ("FACE_STATS_API_KEYS", "FACESTATS_API_KEYS"),
    ],
)
def test_a_variable_that_sets_nothing_is_no_tick(monkeypatch: pytest.MonkeyPatch, variable: str, meant: str) -> None:
    monkeypatch.setenv(variable, "secret")
    noted = [finding for finding in doctor.check_settings() if finding.level == "note"]
    assert [finding.said for finding in noted] == [f"no such setting: {variable} (did you mean {meant}?)"]


def test_a_caller_s_key_protects_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTATS_API_KEY", "secret")
    (note,) = [finding for finding in doctor.check_settings() if finding.level == "note"]
    assert "lets everybody in" in note.said
    monkeypatch.setenv("FACESTATS_API_KEYS", f"web:{'0' * 64}")
    assert all(finding.level == "ok" for finding in doctor.check_settings())


def test_wrong_setting_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTATS_PORT", "seventy")
    (finding,) = doctor.check_settings()
    assert finding.level == "problem"
    assert "FACESTATS_PORT" in finding.said
    monkeypatch.setenv("FACESTATS_PORT", "7070")
    (finding,) = doctor.check_settings()
    assert finding.level == "ok"
    assert "FACESTATS_PORT" in finding.said
    assert "7070" not in finding.said


def test_missing_shared_memory_is_a_problem(tmp_path: Path) -> None:
    *_, finding = doctor.check_memory(tmp_path / "shm")
    assert finding.level == "problem"
    assert finding.advice


def test_taken_port_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        monkeypatch.setattr(doctor, "TRITON_PORTS", (taken,))
        (finding,) = doctor.check_ports()
    assert finding.level == "note"
    assert str(taken) in finding.said


def test_exit_code_tells_whether_the_service_can_run(tmp_path: Path) -> None:
    runner = CliRunner()
    new = runner.invoke(app, ["doctor", "--repository", str(tmp_path / "nowhere")])
    assert "no model repository" in new.stdout
    graphless = tmp_path / "clip_image_encoder"
    (graphless / "configs").mkdir(parents=True)
    for path in (graphless / "config.pbtxt", graphless / "configs" / "exported.pbtxt"):
        path.write_text('backend: "onnxruntime"')
    broken = runner.invoke(app, ["doctor", "--repository", str(tmp_path)])
    assert broken.exit_code == 1
    assert "no model.onnx in clip_image_encoder" in " ".join(broken.stdout.split())
    assert "→" in broken.stdout


def test_what_is_in_brackets_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = doctor.Finding("[bold]", "problem", "read [red]this", "pip install 'facestats-triton[triton]'")
    monkeypatch.setattr(doctor, "examine", lambda repository: [finding])
    shown = CliRunner().invoke(app, ["doctor"]).stdout
    for text in ("[bold]", "read [red]this", "facestats-triton[triton]'"):
        assert text in shown


def test_no_command_reads_markup_in_what_it_prints(root: Path) -> None:
    """Paths, names and messages may hold brackets, which Rich would take for markup."""
    folders = ("cli", "gateway", "export", "local_triton", "evaluation", "bulk", "training", "core", "benchmarks")
    made = [
        f"{path}: {call}"
        for folder in folders
        for path in (root / folder).rglob("*.py")
        for call in re.findall(r"\bConsole\((?!\w+: ).*", path.read_text())
    ]
    assert len(made) >= 8
    assert [call for call in made if "markup=False" not in call] == []


def test_completion_is_offered() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert "--install-completion" in shown.stdout


def test_installed_triton_finds_its_libraries() -> None:
    (finding,) = doctor.check_triton()
    assert finding.level == "ok", finding.said


def test_library_that_the_loader_does_not_find_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine without libpython, as far as ldd tells.
    loader = tmp_path / "ldd"
    loader.write_text(
        "#!/bin/sh\nprintf '\\tlibpython3.11.so.1.0 => not found\\n\\tlibc.so.6 => /lib/libc.so.6 (0x1)\\n'\n"
    )
    loader.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (finding,) = doctor.check_triton()
    assert finding.level == "problem"
    assert finding.said == "tritonserver needs libpython3.11.so.1.0, not found here"
    assert "system-packages.sh" in finding.advice
