"""``facestats gateway``: the HTTP gateway alone; and the gateway as ``facestats up`` runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facestats.addresses import require_address
from facestats.errors import FaceStatsError

if TYPE_CHECKING:
    from facestats_gateway.settings import Settings


def gateway(
    host: Annotated[str | None, typer.Option(help="Address to listen on (FACESTATS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (FACESTATS_PORT).")] = None,
) -> None:
    """Runs the gateway against the Triton servers of FACESTATS_TRITON_URLS."""
    settings = read_settings({name: value for name, value in (("host", host), ("port", port)) if value is not None})
    require_address(settings.host, settings.port)
    if not _serve(settings):
        raise typer.Exit(1)


class GatewayBesideTriton:
    """The gateway in front of a Triton of this machine; registered as ``gateway`` under ``facestats.servers``.

    What would keep it from starting is said here, before Triton is started.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0: any.

    Raises:
        FaceStatsError: A setting is wrong, or the address cannot be listened on.
    """

    def __init__(self, host: str, port: int) -> None:
        self._given = {"host": host, "port": port}
        self._said = read_settings(self._given).model_fields_set
        require_address(host, port)

    def serve(self, triton: str, found: Mapping[str, Any], on_listening: Callable[[str], None]) -> bool:
        """Serves until SIGINT or SIGTERM.

        Args:
            triton: Triton's gRPC address.
            found: Settings found on this machine: the best ones, where the models are; what the environment says
                otherwise holds.
            on_listening: Called with the gateway's own address once it listens.

        Returns:
            Whether it ever listened.

        Raises:
            FaceStatsError: Landmarks cannot be found as the settings ask.
        """
        unsaid = {name: value for name, value in found.items() if name not in self._said}
        return _serve(read_settings({**self._given, "triton_urls": triton, **unsaid}), on_listening)


def read_settings(given: Mapping[str, Any]) -> Settings:
    """The environment's settings, with these in their place.

    Raises:
        FaceStatsError: One is wrong.
    """
    # Naming the commands of the command line must stay quick: what a command needs is imported when it runs.
    from pydantic import ValidationError

    from facestats.environment import settings_problem
    from facestats_gateway.settings import Settings

    try:
        return Settings(**given)
    except ValidationError as error:
        raise FaceStatsError(settings_problem(error)) from None


def _serve(settings: Settings, on_listening: Callable[[str], None] | None = None) -> bool:
    from facestats_gateway.server import GatewayServer

    # Asked here once more than needed: inside the server a refusal would be a traceback.
    settings.landmark_engines()
    server = GatewayServer(settings, on_listening)
    server.run()
    return server.started
