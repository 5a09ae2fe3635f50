"""Where Triton is: the setting ``triton_urls`` as a gRPC target."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import anyio

_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:")
"""Targets that gRPC resolves by itself."""


class TargetError(Exception):
    """None of the names can be looked up now."""


def parse_triton_urls(text: str) -> tuple[str, ...]:
    """Reads the setting ``triton_urls``.

    Args:
        text: ``host:port``, several with commas, or one target of gRPC's own, such as ``dns:///name:port``.

    Raises:
        ValueError: An item is none of these.
    """
    urls = tuple(item.strip() for item in text.split(",") if item.strip())
    if text.strip().startswith(_SCHEMES):
        # gRPC's own lists (ipv4:a,b) stay in one piece.
        return (text.strip(),)
    if not urls:
        raise ValueError("no address of Triton is given; use host:port of its gRPC service")
    for url in urls:
        if url.startswith(_SCHEMES):
            raise ValueError(f"'{url}' cannot be one of several; give one such target, or host:port items with commas")
        _host_and_port(url)
    return urls


async def grpc_target(urls: tuple[str, ...], seconds: float) -> str:
    """The gRPC target for addresses of ``parse_triton_urls``.

    One address is gRPC's own business. gRPC takes a list only of IP addresses, so names are looked up here; a name may
    stand for several replicas, and one that is unknown just now (its container is down) is left out.

    Args:
        urls: The addresses.
        seconds: Time for looking names up.

    Raises:
        TargetError: None of several names can be looked up.
    """
    if len(urls) == 1:
        return urls[0]
    try:
        with anyio.fail_after(seconds):
            answers = await asyncio.gather(*(_look_up(url) for url in urls), return_exceptions=True)
    except TimeoutError:
        raise TargetError(f"{', '.join(urls)} were not looked up within {seconds:g} s") from None
    found = [address for answer in answers if not isinstance(answer, BaseException) for address in answer]
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    for failure in failures:
        if not isinstance(failure, OSError):
            raise failure
    if not found:
        raise TargetError(f"none of {', '.join(urls)} can be looked up ({failures[0]})")
    # A gRPC target has one family; IPv4 unless nobody has it.
    ipv4 = sorted({f"{host}:{port}" for family, host, port in found if family == socket.AF_INET})
    if ipv4:
        return "ipv4:" + ",".join(ipv4)
    return "ipv6:" + ",".join(sorted({f"[{host}]:{port}" for _, host, port in found}))


async def _look_up(url: str) -> list[tuple[int, str, int]]:
    host, port = _host_and_port(url)
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, str(address[0]), port) for family, _, _, _, address in answers]


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(f"//{url}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if "/" in url or not parts.hostname or not port:
        raise ValueError(f"'{url}' is not host:port (of Triton's gRPC service, usually 8001; no http:// before it)")
    return parts.hostname, port
