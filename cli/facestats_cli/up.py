"""``facestats up``: everything on one machine - export if needed, container-free Triton, gateway."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol, cast, get_args

import typer
from rich.console import Console
from rich.text import Text

from facestats.addresses import port_is_free
from facestats.errors import FaceStatsError
from facestats.landmarks.networks import DETECTOR, MESH
from facestats.models.repository import live_version, versions
from facestats.places import REPOSITORY_HELP, default_repository, example_photo, repository_templates
from facestats_export.preparation import prepare_repository
from facestats_local_triton.bound_process import bound
from facestats_local_triton.exposure import ClosableApi
from facestats_local_triton.server import TritonPorts, TritonServer
from facestats_local_triton.tuning import TUNING_FILE, apply_tuning, load_tuning

START_TIMEOUT = 120.0
"""Seconds Triton may take to load its models."""

SERVERS = "facestats.servers"
"""Entry-point group of what serves in front of Triton."""


def check_apis(given: list[str] | None) -> list[str] | None:
    """Refuses names that are no calls of Triton's that can be closed.

    Raises:
        typer.BadParameter: One of them is not.
    """
    if unknown := set(given or ()) - set(get_args(ClosableApi)):
        raise typer.BadParameter(f"{', '.join(get_args(ClosableApi))} can be opened; not {', '.join(sorted(unknown))}.")
    return given


def up(
    repository: Annotated[
        Path,
        typer.Option(default_factory=default_repository, show_default=REPOSITORY_HELP, help="Triton model repository."),
    ],
    host: Annotated[str, typer.Option(envvar="FACESTATS_HOST", help="Address the gateway listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="FACESTATS_PORT", help="Port of the gateway; 0: a free one.")] = 8080,
    triton_grpc_port: Annotated[int | None, typer.Option(help="Triton's gRPC port (8001 if free).")] = None,
    triton_http_port: Annotated[int | None, typer.Option(help="Triton's HTTP port (8000 if free).")] = None,
    triton_metrics_port: Annotated[int | None, typer.Option(help="Triton's metrics port (8002 if free).")] = None,
    open_triton_api: Annotated[
        list[str] | None,
        typer.Option(
            help="Calls of Triton's to leave open on this machine, for example to measure. May be repeated.",
            metavar="|".join(get_args(ClosableApi)),
            callback=check_apis,
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Show Triton's whole log, not only warnings and errors.")] = False,
) -> None:
    """Starts everything and serves until Ctrl-C or SIGTERM."""
    # Until the web server takes over: an end asked for while exporting or loading is an orderly one too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    console = Console(markup=False, stderr=True, highlight=False)
    if not repository.is_dir() and repository != default_repository():
        raise FaceStatsError(f"there is no model repository at '{repository}'; `facestats export` makes one.")
    gateway = gateway_part()(host, port)
    ensure_exported(repository, console)
    found = {**tuned_settings(repository, console), "face_networks": repository}
    ports = choose_ports(triton_grpc_port, triton_http_port, triton_metrics_port)

    def show(line: str) -> None:
        if verbose or line[:1] in ("W", "E"):
            console.print(Text.assemble(("triton ", "dim"), line), soft_wrap=True)

    with TritonServer(repository, ports, open_apis=cast(list[ClosableApi], open_triton_api or []), log=show) as triton:
        console.print(f"Starting Triton (gRPC {ports.grpc}, HTTP {ports.http}, metrics {ports.metrics}) ...")
        triton.wait_ready(START_TIMEOUT)
        if not gateway.serve(f"127.0.0.1:{ports.grpc}", found, announce):
            raise typer.Exit(1)


class Gateway(Protocol):
    """The gateway, once it is known that it can start."""

    def serve(self, triton: str, found: Mapping[str, Any], on_listening: Callable[[str], None]) -> bool:
        """Serves until it is told to stop; whether it ever listened."""


def gateway_part() -> Callable[[str, int], Gateway]:
    """What the gateway's part registers: takes the address to listen on, and checks all it can before Triton starts.

    Raises:
        FaceStatsError: The part is not installed.
    """
    found = entry_points(group=SERVERS, name="gateway")
    if not found:
        raise FaceStatsError("this installation has no gateway; install facestats-triton anew.")
    (point,) = found
    part: Callable[[str, int], Gateway] = point.load()
    return part


def announce(url: str) -> None:
    """Says how to use the service."""
    print(f"FaceStats serves at {url}", flush=True)
    print(f"Try: curl -F image=@{example_path()} {url}/v1/score", flush=True)


def example_path() -> Path:
    """The example photo, relative to the working directory where that is shorter."""
    photo = example_photo()
    return photo.relative_to(Path.cwd()) if photo.is_relative_to(Path.cwd()) else photo


def ensure_exported(repository: Path, console: Console) -> None:
    """Exports the models if the repository has none, in a process of its own: torch must not stay in this one.

    Raises:
        FaceStatsError: The export failed, having said why, this installation cannot export, or an older one exported.
    """
    if live_version(repository) is not None:
        lacking = [name for name in (DETECTOR, MESH) if not versions(repository / name)]
        if lacking:
            # Triton starts no repository that holds a model without a version.
            raise FaceStatsError(
                f"'{repository}' was exported by an older release and lacks {' and '.join(lacking)}: "
                f"run `facestats export --output {repository}` once more, with the options of then."
            )
        # Its Python models and configurations may be an older release's.
        prepare_repository(repository, repository_templates())
        return
    if find_spec("torch") is None:
        raise FaceStatsError(
            f"'{repository}' holds no exported models and this installation cannot export any: "
            "install 'facestats-triton[serve]', or give an exported repository with --repository."
        )
    console.print(f"No exported models in '{repository}' yet: exporting (once; a minute or so) ...")
    command = [sys.executable, "-m", "facestats_cli", "export", "--output", str(repository)]
    if subprocess.run(bound(command), check=False).returncode != 0:
        raise FaceStatsError("the export failed, so there is nothing to serve; see its message above.")


def tuned_settings(repository: Path, console: Console) -> dict[str, int]:
    """Puts what ``facestats tune`` found into CLIP's exported configuration, and takes out what no longer holds.

    Returns:
        The gateway's part.

    Raises:
        FaceStatsError: The tuning file is damaged.
    """
    try:
        tuning = load_tuning(repository)
    except ValueError as error:
        raise FaceStatsError(str(error)) from None
    apply_tuning(repository, tuning)
    if tuning is None:
        if (repository / TUNING_FILE).is_file():
            console.print(f"{repository / TUNING_FILE} was found for other cores or another export: not used.")
        return {}
    console.print(f"Using {repository / TUNING_FILE}: {tuning}")
    return tuning.gateway_settings()


def choose_ports(grpc: int | None, http: int | None, metrics: int | None) -> TritonPorts:
    """The ports asked for, else Triton's usual ones where free, else free ones."""
    free = TritonPorts.free()

    def choose(given: int | None, usual: int, otherwise: int) -> int:
        return given if given is not None else usual if port_is_free("127.0.0.1", usual) else otherwise

    return TritonPorts(
        grpc=choose(grpc, 8001, free.grpc),
        http=choose(http, 8000, free.http),
        metrics=choose(metrics, 8002, free.metrics),
    )
