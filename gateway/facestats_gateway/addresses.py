"""Settings that name addresses, checked at the start: what the libraries would take for a name that never matches."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def comma_list(text: str) -> list[str]:
    """The items of a comma list, without the spaces around them."""
    return [item.strip() for item in text.split(",") if item.strip()]


def check_trusted_proxies(text: str) -> None:
    """Checks the setting ``trusted_proxies``.

    Raises:
        ValueError: An item is neither an address nor a network, or ``*`` stands beside others.
    """
    items = comma_list(text)
    if items == ["*"]:
        return
    for item in items:
        try:
            if "/" in item:
                ipaddress.ip_network(item)
            else:
                ipaddress.ip_address(item)
        except ValueError as error:
            raise ValueError(
                f"'{item}' is no address and no network ({error}); use such as 10.0.0.0/8, or * alone"
            ) from None


def check_origins(text: str) -> None:
    """Checks the setting ``cors_origins``.

    Raises:
        ValueError: An item is not an origin as browsers send it, or ``*`` stands beside others.
    """
    items = comma_list(text)
    if items == ["*"]:
        return
    for item in items:
        parts = _http_address(item)
        if parts is None or "*" in item:
            raise ValueError(f"'{item}' is no origin; use such as https://app.example, or * alone")
        port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        origin = f"{parts.scheme}://{host}{port}"
        if item != origin:
            raise ValueError(f"'{item}' is never sent as an origin; browsers say {origin}")


def check_endpoint(text: str) -> None:
    """Checks the setting ``trace_endpoint``.

    Raises:
        ValueError: It is neither empty nor an http(s) address.
    """
    if text and _http_address(text) is None:
        raise ValueError(f"'{text}' is no address; use such as http://collector:4318/v1/traces")


def _http_address(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        sound = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        return None
    return parts if sound and " " not in text else None
