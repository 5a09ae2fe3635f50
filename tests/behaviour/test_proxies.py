"""What speaks to Triton goes past the proxies that the environment names, unless it is told to use them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException
from typer.testing import CliRunner

from benchmarks.process_tree import ProcessTree
from benchmarks.triton_load import TritonLoad
from facestats.holistic.backend import HolisticUnavailableError
from facestats.holistic.triton import TritonClient
from facestats_cli.main import app
from facestats_client import FaceStatsError, TritonScorer
from facestats_export.facenets.parity import MediaPipeFaces
from facestats_export.triton_parity import _ask
from facestats_gateway.settings import Settings
from tests.asgi import NO_TRITON

PIXELS = np.zeros((1, 224, 224, 3), np.uint8)


class Proxy:
    """Counts who comes, and sends everybody away."""

    def __init__(self) -> None:
        self.visitors = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                visitor, _ = self._listener.accept()
                self.visitors += 1
                visitor.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy()
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield proxy
    proxy.close()


async def ask_as_gateway(proxy: bool = False) -> None:
    client = TritonClient((NO_TRITON,), "attractiveness", proxy=proxy)
    await client.connect(5)
    try:
        await client.infer(PIXELS, timeout=20)
    finally:
        await client.close()


async def test_the_gateway_goes_past_it_unless_told(proxy: Proxy) -> None:
    with pytest.raises(HolisticUnavailableError):
        await ask_as_gateway()
    assert proxy.visitors == 0
    with pytest.raises(HolisticUnavailableError):
        await ask_as_gateway(proxy=True)
    assert proxy.visitors > 0
    assert Settings().triton_proxy is False


def test_the_client_goes_past_it_unless_told(proxy: Proxy, face: bytes) -> None:
    for told in (False, True):
        with TritonScorer(NO_TRITON, timeout=20, proxy=told) as scorer, pytest.raises(FaceStatsError):
            scorer.score(face)
        assert bool(proxy.visitors) is told


def export_parity() -> None:
    _ask(NO_TRITON, [b""], PIXELS, MediaPipeFaces((), ()))


def benchmark() -> None:
    TritonLoad(NO_TRITON, NO_TRITON, ProcessTree([]), {}).inferences("attractiveness")


@pytest.mark.parametrize("ask", [export_parity, benchmark])
def test_export_and_benchmarks_go_past_it(proxy: Proxy, ask: Callable[[], None]) -> None:
    with pytest.raises(InferenceServerException):
        ask()
    assert proxy.visitors == 0


def test_commands_reach_a_gateway_of_this_machine(proxy: Proxy, example_path: object) -> None:
    result = CliRunner().invoke(app, ["score", str(example_path), "--url", f"http://{NO_TRITON}"])
    assert result.exit_code == 1
    assert proxy.visitors == 0
