"""Without keys a caller is an address: the client's own behind load balancers we trust, else whoever connects."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway_process import GatewayProcess

pytestmark = pytest.mark.integration

SETTINGS = {
    "FACESTATS_TRITON_URLS": "127.0.0.1:1",
    "FACESTATS_DEGRADE": "geometric",
    "FACESTATS_THREADS": "1",
    "FACESTATS_RATE_LIMIT": "1/hour",
}


@pytest.mark.parametrize(("trusted", "second"), [("127.0.0.0/8", 200), ("10.0.0.1", 429)])
def test_rates_are_counted_by_the_client_that_a_trusted_proxy_names(face: bytes, trusted: str, second: int) -> None:
    with GatewayProcess(SETTINGS | {"FACESTATS_TRUSTED_PROXIES": trusted}) as gateway:
        answers = [
            httpx.post(
                f"{gateway.url}/v1/score",
                params={"capture": "fast"},
                files={"image": face},
                headers={"X-Forwarded-For": address},
                timeout=60,
            )
            for address in ("203.0.113.7", "203.0.113.8")
        ]
        assert [answer.status_code for answer in answers] == [200, second]
        assert "203.0.113" not in gateway.log(), "addresses are personal data"
