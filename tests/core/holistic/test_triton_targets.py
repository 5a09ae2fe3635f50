"""Addresses of Triton become a gRPC target; what is wrong with them is said at start."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from facestats.holistic.triton_targets import TargetError, grpc_target, parse_triton_urls
from facestats_gateway.settings import Settings


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("triton:8001", ("triton:8001",)),
        (" a:8001, b:8002 ,", ("a:8001", "b:8002")),
        ("[::1]:8001,[::1]:8003", ("[::1]:8001", "[::1]:8003")),
        ("dns:///triton:8001", ("dns:///triton:8001",)),
        ("ipv4:10.0.0.1:8001,10.0.0.2:8001", ("ipv4:10.0.0.1:8001,10.0.0.2:8001",)),
    ],
)
def test_addresses_are_read(text: str, urls: tuple[str, ...]) -> None:
    assert parse_triton_urls(text) == urls
    assert Settings(triton_urls=text).triton_targets == urls


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no address"),
        (" , ", "no address"),
        ("triton", "'triton' is not host:port"),
        ("http://triton:8000", "no http:// before it"),
        ("a:8001,b", "'b' is not host:port"),
        ("a:8001,b:zero", "'b:zero' is not host:port"),
        ("a:70000", "'a:70000' is not host:port"),
        ("a:8001,dns:///b:8001", "cannot be one of several"),
    ],
)
def test_senseless_addresses_are_refused_at_start(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match="triton_urls") as error:
        Settings(triton_urls=text)
    assert said in str(error.value)


async def test_one_address_is_left_to_grpc() -> None:
    assert await grpc_target(("triton.nowhere.invalid:8001",), 10) == "triton.nowhere.invalid:8001"


async def test_names_of_a_list_are_looked_up() -> None:
    assert await grpc_target(("localhost:8001", "127.0.0.1:8003"), 10) == "ipv4:127.0.0.1:8001,127.0.0.1:8003"


async def test_addresses_of_the_sixth_version_are_taken_where_there_are_no_others() -> None:
    assert await grpc_target(("[::1]:8003", "[::1]:8001"), 10) == "ipv6:[::1]:8001,[::1]:8003"


async def test_an_unknown_name_is_left_out_and_none_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands for a name server that has forgotten one of the names.
    async def look_up(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        if host != "known":
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("10.0.0.9", "10.0.0.2")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up, raising=False)
    assert await grpc_target(("known:8001", "gone:8001"), 10) == "ipv4:10.0.0.2:8001,10.0.0.9:8001"
    with pytest.raises(TargetError, match="gone:8001, lost:8001 can be looked up"):
        await grpc_target(("gone:8001", "lost:8001"), 10)
