"""Whether this process can listen at an address."""

from __future__ import annotations

import errno
import socket

from facestats.errors import FaceStatsError


def require_address(host: str, port: int) -> None:
    """Makes sure that this address can be listened on, before anything slow is started.

    Raises:
        FaceStatsError: It is taken, or none of this machine's.
    """
    try:
        _listen_once(host, port)
    except socket.gaierror:
        raise FaceStatsError(f"'{host}' is no address of this machine; give another with --host.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise FaceStatsError(f"port {port} is taken on {host}; choose another with --port.") from None
        raise FaceStatsError(
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
