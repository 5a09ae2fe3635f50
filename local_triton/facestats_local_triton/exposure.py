"""Who may call what of a ``tritonserver``: loopback only, and without the calls that nobody needs to be served."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection, Sequence
from typing import Literal, get_args

from facestats_local_triton.errors import TritonError

LOOPBACK = "127.0.0.1"

ClosableApi = Literal["shared-memory", "model-repository", "trace", "logging"]
"""Groups of Triton's calls that reach into the machine or change the server."""

_OPENING_OPTIONS = ("--allow-sagemaker", "--allow-vertex-ai", "--http-restricted-api", "--grpc-restricted-protocol")


def require_closed(host: str, further: Sequence[str], accept_known_holes: bool) -> None:
    """Refuses what would let others in.

    Args:
        host: Address to listen on.
        further: Arguments of ``tritonserver`` that a caller adds.
        accept_known_holes: Whether the caller takes another address than loopback upon itself.

    Raises:
        TritonError: The address is not loopback, or an argument decides who may call what.
    """
    if not accept_known_holes and not _is_loopback(host):
        raise TritonError(
            f"Triton is not started on '{host}': this release has known holes (SECURITY.md) and no access control, so "
            "it listens on loopback only. Serve others through the gateway or NVIDIA's container, or pass "
            "accept_known_holes=True."
        )
    for argument in further:
        option = argument.partition("=")[0]
        if option in _OPENING_OPTIONS or option.endswith("-address"):
            raise TritonError(f"'{option}' is no further argument: host and open_apis say who may call what.")


def closing_arguments(open_apis: Collection[ClosableApi]) -> list[str]:
    """Options of ``tritonserver`` that close every ``ClosableApi`` but these, and what only other hosts need."""
    # Said, because Triton's environment could say otherwise.
    arguments = ["--allow-vertex-ai=false", "--allow-sagemaker=false"]
    if closed := [api for api in get_args(ClosableApi) if api not in open_apis]:
        # Triton closes calls to whoever does not know the value of a header: here one that nobody is told.
        setting = f"{','.join(closed)}:closed={secrets.token_hex(16)}"
        arguments += [f"--http-restricted-api={setting}", f"--grpc-restricted-protocol={setting}"]
    return arguments


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
