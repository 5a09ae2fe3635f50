"""``facestats doctor``: looks at everything the service needs and says what to do about what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from facestats.places import REPOSITORY_HELP, default_repository

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

Level = Literal["ok", "note", "problem"]

SHARED_MEMORY = Path("/dev/shm")
MIN_SHARED_MEMORY = 64 * 2**20
"""Triton's Python backend moves tensors through /dev/shm and starts with 1 MiB for each instance and direction."""

MIN_MEMORY = 2 * 2**30
"""CLIP, its copy in each instance, and one Face Mesh a thread."""

TRITON_PORTS = (8000, 8001, 8002)
"""Where Triton listens unless told otherwise: HTTP, gRPC, metrics."""

SETTINGS = "facestats.settings"
"""Entry-point group of classes with a part's settings."""

MARKS: dict[Level, str] = {"ok": "✓", "note": "•", "problem": "✗"}
COLOURS: dict[Level, str] = {"ok": "green", "note": "yellow", "problem": "red"}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        subject: What was looked at.
        level: ``note`` does not keep the service from running, ``problem`` does.
        said: What was found.
        advice: What to do; empty when nothing.
    """

    subject: str
    level: Level
    said: str
    advice: str = ""


def doctor(
    repository: Annotated[
        Path,
        typer.Option(default_factory=default_repository, show_default=REPOSITORY_HELP, help="Triton model repository."),
    ],
) -> None:
    """Checks Python, libraries, settings, ports, memory, Triton, models, weights and GPU; exits with 1 on a problem."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    worst: Level = "ok"
    for finding in examine(repository):
        advice = f"\n→ {finding.advice}" if finding.advice else ""
        mark = Text(MARKS[finding.level], COLOURS[finding.level])
        table.add_row(mark, finding.subject, Text.assemble(finding.said, (advice, "dim")))
        worst = max(worst, finding.level, key=list(MARKS).index)
    console = Console(markup=False, highlight=False)
    console.print(table)
    if worst == "problem":
        console.print("\nSomething keeps the service from running; follow the arrows above.")
        raise typer.Exit(1)
    console.print("\nReady. Start the service with: facestats up")


def examine(repository: Path) -> Iterator[Finding]:
    """Runs every check."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        check_python,
        check_libraries,
        check_settings,
        check_memory,
        check_triton,
        lambda: check_models(repository),
        check_ports,
        check_gpu,
    )
    for check in checks:
        yield from check()


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Finding]:
    """Whether this Python is one that MediaPipe and Triton's stubs exist for."""
    text = ".".join(map(str, version))
    if (3, 11) <= version[:2] <= (3, 12):
        yield Finding("Python", "ok", text)
    else:
        yield Finding("Python", "problem", f"{text}; 3.11 or 3.12 is needed", "python3.11 -m venv .venv")


def check_libraries(distribution: str = "facestats-triton") -> Iterator[Finding]:
    """Whether the installed versions are the declared ones, and the native libraries load."""
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    wrong = []
    for requirement in map(Requirement, requires(distribution) or ()):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement} is missing")
            continue
        if installed not in requirement.specifier:
            wrong.append(f"{requirement.name} is {installed}, {requirement.specifier} is needed")
    for module in ("cv2", "mediapipe"):
        try:
            import_module(module)
        except ImportError as error:
            wrong.append(f"{module} cannot be loaded: {error}")
    if wrong:
        advice = "install the release anew (in a checkout: make setup); a missing .so file is a package of the system"
        yield Finding("Libraries", "problem", "; ".join(wrong), advice)
    else:
        yield Finding("Libraries", "ok", "installed as declared; OpenCV and MediaPipe load")


def check_settings() -> Iterator[Finding]:
    """Whether the ``FACESTATS_...`` variables make sense."""
    from pydantic import ValidationError

    from facestats.environment import caller_s_key_only, settings_problem, unknown_variables

    given = sorted(name for name in os.environ if name.startswith("FACESTATS_"))
    try:
        for settings in declared_settings():
            settings()
    except ValidationError as error:
        yield Finding("Settings", "problem", settings_problem(error), "correct or unset these variables")
    else:
        # Names only: a value may be an API key.
        yield Finding("Settings", "ok", f"from the environment: {', '.join(given)}" if given else "all defaults")
    fields = {name for settings in declared_settings() for name in settings.model_fields}
    if unknown := unknown_variables(os.environ, fields):
        advice = "correct or unset these variables; docs/settings.md lists all"
        yield Finding("Settings", "note", f"no such setting: {', '.join(map(str, unknown))}", advice)
    if caller_s_key_only(os.environ):
        said = "FACESTATS_API_KEY is a caller's key; the service itself has none and lets everybody in"
        yield Finding("Settings", "note", said, "set FACESTATS_API_KEYS to protect it: facestats key NAME")


def declared_settings() -> list[type[BaseSettings]]:
    """The settings that the installed parts read from the environment."""
    from importlib.metadata import entry_points

    return [point.load() for point in entry_points(group=SETTINGS)]


def check_memory(shared_memory: Path = SHARED_MEMORY) -> Iterator[Finding]:
    """Whether there is room for the models and for the Python backend's tensors."""
    import psutil

    from facestats.machine import usable_memory

    available = min(psutil.virtual_memory().available, usable_memory())
    enough = available >= MIN_MEMORY
    yield Finding(
        "Memory",
        "ok" if enough else "note",
        f"{_gib(available)} free",
        "" if enough else "free some, or lower FACESTATS_THREADS and the models' instance counts",
    )
    if not shared_memory.is_dir():
        yield Finding(str(shared_memory), "problem", "does not exist", "mount a tmpfs there")
        return
    free = psutil.disk_usage(str(shared_memory)).free
    roomy = free >= MIN_SHARED_MEMORY
    yield Finding(
        str(shared_memory),
        "ok" if roomy else "problem",
        f"{free / 2**20:.0f} MiB free",
        "" if roomy else "in a container: docker run --shm-size=256m; else remove stale triton_python_backend_* files",
    )


def check_triton() -> Iterator[Finding]:
    """Whether the container-free Triton is installed and finds the libraries it links to."""
    from facestats_local_triton.errors import TritonError
    from facestats_local_triton.installation import find_installation

    try:
        installation = find_installation()
    except TritonError as error:
        advice = "only needed for `facestats up`; NVIDIA's container works without it (docker compose up)"
        yield Finding("Triton", "problem", str(error), advice)
        return
    if missing := missing_libraries([installation.server, installation.stub], installation.environment(os.environ)):
        advice = "install the system's packages that carry them (in a checkout: sh deploy/system-packages.sh)"
        yield Finding("Triton", "problem", f"tritonserver needs {', '.join(missing)}, not found here", advice)
        return
    from importlib.metadata import version

    yield Finding("Triton", "ok", f"{installation.server.name} of nvidia-pytriton {version('nvidia-pytriton')}")


def missing_libraries(programs: Sequence[Path], environment: Mapping[str, str]) -> list[str]:
    """The shared libraries that these programs link to and the loader does not find, by name."""
    # One program a call: after one that cannot be read at all, ldd would still say 0.
    said = [
        subprocess.run(["ldd", program], env=environment, capture_output=True, text=True, check=True).stdout
        for program in programs
    ]
    return sorted({line.split()[0] for text in said for line in text.splitlines() if line.endswith("not found")})


def check_models(repository: Path) -> Iterator[Finding]:
    """Whether the repository is complete, and what its weights are."""
    if not repository.is_dir():
        yield Finding("Models", "note", f"no model repository at '{repository}'", "facestats up makes one")
        return
    configurations = sorted(repository.glob("*/configs/exported.pbtxt"))
    if not configurations:
        yield Finding(
            "Models", "note", "nothing exported yet", "facestats up exports on its first start; or: facestats export"
        )
        return
    missing = sorted(
        path.parent.name
        for path in repository.glob("*/config.pbtxt")
        if _backend(path) == "onnxruntime" and not any(path.parent.glob("[0-9]*/model.onnx"))
    )
    if missing:
        yield Finding("Models", "problem", f"no model.onnx in {', '.join(missing)}", "facestats export --force")
    else:
        yield Finding("Models", "ok", f"{len(configurations)} exported")
    yield from _check_weights(repository / "attractiveness" / "configs" / "exported.pbtxt")


def _check_weights(configuration: Path) -> Iterator[Finding]:
    parameters = _parameters(configuration) if configuration.is_file() else {}
    weights = parameters.get("weights", "unknown")
    said = (
        f"{weights}: {parameters.get('clip', 'unknown')}, calibration {parameters.get('calibration', 'unknown')}, "
        f"{parameters.get('precision', 'unknown')} for {parameters.get('target', 'unknown')}"
    )
    if weights == "trained":
        yield Finding("Weights", "ok", said)
    else:
        advice = "holistic scores mean nothing; facestats export --weights hf (or a local snapshot's path)"
        yield Finding("Weights", "note", said, advice)


def check_ports() -> Iterator[Finding]:
    """Whether the default ports are free."""
    from facestats.addresses import port_is_free

    fields = {name: field for settings in declared_settings() for name, field in settings.model_fields.items()}
    gateway_port: int = fields["port"].default
    ports = (gateway_port, *TRITON_PORTS)
    taken = [port for port in ports if not port_is_free("127.0.0.1", port)]
    said = f"{', '.join(map(str, taken))} taken"
    if not taken:
        yield Finding("Ports", "ok", f"{', '.join(map(str, ports))} are free")
    elif gateway_port in taken:
        advice = f"is the service already running? else: facestats up --port {gateway_port + 1}"
        yield Finding("Ports", "note", said, advice)
    else:
        yield Finding("Ports", "note", said, "facestats up takes free ones instead")


def check_gpu() -> Iterator[Finding]:
    """Whether there is an NVIDIA GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        yield Finding("GPU", "ok", "none found; the CPU serves")
        return
    query = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    if result.returncode != 0 or not result.stdout.strip():
        said = (result.stderr or result.stdout).strip() or "nvidia-smi lists no GPU"
        yield Finding("GPU", "note", said, "check the driver; the CPU serves meanwhile")
        return
    gpus = "; ".join(result.stdout.strip().splitlines())
    advice = "facestats export --target cuda, and NVIDIA's container: docker-compose.yml"
    yield Finding("GPU", "ok", gpus, advice)


def _backend(configuration: Path) -> str:
    return str(_model_config(configuration).backend)


def _parameters(configuration: Path) -> dict[str, str]:
    return {name: value.string_value for name, value in _model_config(configuration).parameters.items()}


def _model_config(configuration: Path) -> Any:
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    return text_format.Parse(configuration.read_text("utf-8"), model_config_pb2.ModelConfig())


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
