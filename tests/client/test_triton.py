"""Straight to Triton: what is said of an address or a protocol that cannot be meant."""

from __future__ import annotations

import pytest

from facestats_client import AddressError, FaceStatsError, ServiceUnreachableError, TritonScorer
from tests.stack import free_port


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "https://triton:8000/", "grpc://127.0.0.1:8001"])
def test_an_address_with_a_scheme_is_said_at_once(protocol: str, address: str) -> None:
    with pytest.raises(AddressError, match="host:port") as caught:
        TritonScorer(address, protocol=protocol)  # type: ignore[arg-type]
    assert isinstance(caught.value, FaceStatsError)


@pytest.mark.parametrize("protocol", ["rest", "https", "utils", ""])
def test_another_protocol_is_no_missing_package(protocol: str) -> None:
    with pytest.raises(ValueError, match="'grpc' or 'http'"):
        TritonScorer(protocol=protocol)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_nobody_there_is_one_clear_error(protocol: str) -> None:
    with (
        TritonScorer(f"127.0.0.1:{free_port()}", protocol=protocol, timeout=5) as scorer,  # type: ignore[arg-type]
        pytest.raises(ServiceUnreachableError, match="Triton at"),
    ):
        scorer.score(b"some image")
