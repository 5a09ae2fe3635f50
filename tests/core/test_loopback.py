"""Addresses of this machine are told from others."""

from __future__ import annotations

import pytest

from facestats.loopback import is_loopback


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1:8080",
            "http://127.8.9.1",
            "http://localhost:1/x",
            "https://[::1]:8080",
            "http://a.localhost",
        )
    ],
)
def test_this_machine(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://localhost.example", "http://[::2]", "http://[", "", "127"])
def test_another(url: str) -> None:
    assert not is_loopback(url)
