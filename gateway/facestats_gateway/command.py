"""``facestats gateway``: the HTTP gateway alone."""

from __future__ import annotations

import errno
import math
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Annotated

import structlog
import typer
import uvicorn
from pydantic import ValidationError

from facestats.environment import caller_s_key_only, settings_problem, unknown_variables
from facestats_cli.failure import fail
from facestats_gateway.settings import Settings


def gateway(
    host: Annotated[str | None, typer.Option(help="Address to listen on (FACESTATS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (FACESTATS_PORT).")] = None,
) -> None:
    """Runs the gateway against the Triton servers of FACESTATS_TRITON_URLS."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise fail(settings_problem(error)) from None
    require_address(settings.host, settings.port)
    server = GatewayServer(settings)
    server.run()
    if not server.started:
        raise typer.Exit(1)


class GatewayServer(uvicorn.Server):
    """The web server.

    Args:
        settings: What the gateway is built from.
        on_listening: Called with the address once it listens.
    """

    def __init__(self, settings: Settings, on_listening: Callable[[str], None] | None = None) -> None:
        from facestats.logging import configure_logging
        from facestats_gateway.app import create_app
        from facestats_gateway.connections import patient_connections

        configure_logging(settings.log_level, settings.log_format)
        warn_of_variables(os.environ)
        super().__init__(
            uvicorn.Config(
                create_app(settings),
                host=settings.host,
                port=settings.port,
                http=patient_connections(settings.upload_seconds, settings.answer_seconds),
                ws="none",
                forwarded_allow_ips=settings.trusted_proxies,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
            )
        )
        self._on_listening = on_listening

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until SIGINT or SIGTERM; what is in flight is finished first."""
        # Uvicorn raises the signal once more when it is done; a SIGTERM has been obeyed by then and is no failure.
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the app and listens."""
        await super().startup(sockets)
        if self.started and self._on_listening is not None:
            # Asked of the socket: port 0 means any.
            port = self.servers[0].sockets[0].getsockname()[1]
            self._on_listening(local_url(self.config.host, port))


def warn_of_variables(environment: Mapping[str, str]) -> None:
    """Logs the variables that set nothing, and what was probably meant: a misspelt setting leaves a door open."""
    log = structlog.get_logger("facestats.settings")
    for variable in unknown_variables(environment, Settings.model_fields):
        log.warning("unknown setting", variable=variable.name, meant=variable.meant or None)
    if caller_s_key_only(environment):
        log.warning("FACESTATS_API_KEY is a caller's; the service's keys are FACESTATS_API_KEYS, and it has none")


def local_url(host: str, port: int) -> str:
    """How this machine reaches a server that listens there."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def require_address(host: str, port: int) -> None:
    """Makes sure that this address can be listened on, before anything slow is started.

    Raises:
        typer.Exit: It is taken, or none of this machine's; it has been said.
    """
    try:
        _listen_once(host, port)
    except socket.gaierror:
        raise fail(f"'{host}' is no address of this machine; give another with --host.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise fail(f"port {port} is taken on {host}; choose another with --port.") from None
        raise fail(
            f"cannot listen on {host} port {port} ({error.strerror}); give others with --host, --port."
        ) from None


def port_is_free(host: str, port: int) -> bool:
    """Whether this address can be listened on now."""
    try:
        _listen_once(host, port)
    except OSError:
        return False
    return True


def _listen_once(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
