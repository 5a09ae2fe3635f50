"""The web server that runs the gateway."""

from __future__ import annotations

import math
import os
import signal
import socket
from collections.abc import Callable, Mapping

import structlog
import uvicorn

from facestats.environment import caller_s_key_only, unknown_variables
from facestats.logging import configure_logging
from facestats_gateway.app import create_app
from facestats_gateway.connections import patient_connections
from facestats_gateway.settings import Settings


class GatewayServer(uvicorn.Server):
    """The web server.

    Args:
        settings: What the gateway is built from.
        on_listening: Called with the address once it listens.
    """

    def __init__(self, settings: Settings, on_listening: Callable[[str], None] | None = None) -> None:
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
