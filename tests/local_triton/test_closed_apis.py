"""Calls of Triton's that reach into the machine or change the server are closed unless they are switched on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import tritonclient.grpc
from tritonclient.grpc import InferenceServerClient, InferenceServerException

from facestats_local_triton.exposure import ClosableApi
from facestats_local_triton.server import TritonPorts, TritonServer
from tests.local_triton.tiny_models import add_scale_model
from tests.local_triton.triton_client import scale

pytestmark = pytest.mark.integration

HTTP: dict[str, list[tuple[str, str, object]]] = {
    "shared-memory": [
        ("GET", "systemsharedmemory/status", None),
        ("GET", "cudasharedmemory/status", None),
        ("POST", "systemsharedmemory/region/r/register", {"key": "/r", "offset": 0, "byte_size": 8}),
        ("POST", "systemsharedmemory/unregister", {}),
        ("POST", "cudasharedmemory/unregister", {}),
    ],
    "model-repository": [
        ("POST", "repository/index", {}),
        ("POST", "repository/models/scale/load", {}),
        ("POST", "repository/models/scale/unload", {}),
    ],
    "trace": [
        ("GET", "trace/setting", None),
        ("POST", "trace/setting", {"trace_file": "/tmp/facestats-trace"}),
        ("POST", "models/scale/trace/setting", {"trace_level": ["TENSORS"]}),
    ],
    "logging": [("GET", "logging", None), ("POST", "logging", {"log_file": "/tmp/facestats-log"})],
}

GRPC: dict[str, list[Callable[[Any], object]]] = {
    "shared-memory": [
        lambda client: client.get_system_shared_memory_status(),
        lambda client: client.get_cuda_shared_memory_status(),
        lambda client: client.register_system_shared_memory("r", "/r", 8),
        lambda client: client.unregister_system_shared_memory(),
    ],
    "model-repository": [
        lambda client: client.get_model_repository_index(),
        lambda client: client.load_model("scale"),
        lambda client: client.unload_model("scale"),
    ],
    "trace": [
        lambda client: client.get_trace_settings(),
        lambda client: client.update_trace_settings(settings={"trace_file": "/tmp/facestats-trace"}),
    ],
    "logging": [
        lambda client: client.get_log_settings(),
        lambda client: client.update_log_settings({"log_file": "/tmp/facestats-log"}),
    ],
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    add_scale_model(folder)
    return folder


@pytest.fixture(scope="module")
def closed(repository: Path) -> Iterator[TritonServer]:
    with TritonServer(repository, TritonPorts.free()) as server:
        server.wait_ready(60)
        yield server


def call(server: TritonServer, method: str, path: str, body: object) -> httpx.Response:
    return httpx.request(method, f"http://127.0.0.1:{server.ports.http}/v2/{path}", json=body)


def test_every_group_is_tried() -> None:
    assert set(HTTP) == set(GRPC) == set(get_args(ClosableApi))


@pytest.mark.parametrize("api", HTTP)
def test_a_closed_call_is_refused_over_http(closed: TritonServer, api: str) -> None:
    for method, path, body in HTTP[api]:
        answer = call(closed, method, path, body)
        assert answer.status_code == 403, path
        assert "restricted" in answer.text


@pytest.mark.parametrize("api", GRPC)
def test_a_closed_call_is_refused_over_grpc(closed: TritonServer, api: str) -> None:
    with InferenceServerClient(f"127.0.0.1:{closed.ports.grpc}") as client:
        for ask in GRPC[api]:
            with pytest.raises(InferenceServerException, match="restricted"):
                ask(client)


def test_what_callers_need_stays_open(closed: TritonServer) -> None:
    assert scale(closed.ports) == [2, 4]
    for path in ("health/live", "health/ready", "models/scale", "models/scale/config", "models/scale/stats"):
        assert call(closed, "GET", path, None).status_code == 200, path
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{closed.ports.grpc}") as client:
        assert client.get_model_config("scale").config.name == "scale"
        assert client.get_inference_statistics("scale").model_stats[0].name == "scale"


def test_what_is_switched_on_is_open_and_nothing_else(repository: Path) -> None:
    with TritonServer(repository, TritonPorts.free(), open_apis=["shared-memory", "logging"]) as server:
        server.wait_ready(60)
        assert call(server, "GET", "systemsharedmemory/status", None).json() == []
        assert call(server, "GET", "logging", None).status_code == 200
        with InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as client:
            assert client.get_system_shared_memory_status(as_json=True) == {}
            with pytest.raises(InferenceServerException, match="restricted"):
                client.get_model_repository_index()
        assert call(server, "POST", "repository/index", {}).status_code == 403


def test_everything_may_be_switched_on(repository: Path) -> None:
    with TritonServer(repository, TritonPorts.free(), open_apis=get_args(ClosableApi)) as server:
        server.wait_ready(60)
        for path in ("systemsharedmemory/status", "trace/setting", "logging"):
            assert call(server, "GET", path, None).status_code == 200, path
