"""The gRPC channel follows the replicas' names, and a call under way survives the change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

import facestats.holistic.triton
from facestats.holistic.backend import HolisticUnavailableError
from facestats.holistic.triton import TritonClient
from facestats.holistic.triton_targets import TargetError

PIXELS = np.zeros((1, 224, 224, 3), np.uint8)


class Replica(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers like an ensemble, with its own number as the score, when it may."""

    def __init__(self, number: float) -> None:
        self.number = number
        self.deadline = 0.0
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def ModelReady(  # noqa: N802 - gRPC's name
        self, request: service_pb2.ModelReadyRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ModelReadyResponse:
        return service_pb2.ModelReadyResponse(ready=True)

    async def ModelInfer(  # noqa: N802 - gRPC's name
        self, request: service_pb2.ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        self.deadline = context.time_remaining()
        self.asked.set()
        await self.may_answer.wait()
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        for name in ("SCORE", "RAW"):
            answer.outputs.add(name=name, datatype="FP32", shape=[1, 1])
            answer.raw_output_contents.append(np.float32(self.number).tobytes())
        return answer


@contextlib.asynccontextmanager
async def serving(number: float) -> AsyncIterator[tuple[Replica, str]]:
    server, replica = grpc.aio.server(), Replica(number)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(replica, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield replica, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


class Names:
    """Stands for a name server whose answers change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.address = ""
        monkeypatch.setattr(facestats.holistic.triton, "grpc_target", self)

    async def __call__(self, urls: tuple[str, ...], seconds: float) -> str:
        if not self.address:
            raise TargetError("none of a, b can be looked up")
        return f"ipv4:{self.address}"


async def test_calls_move_to_the_new_address_and_those_under_way_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    client = TritonClient(("a:8001", "b:8001"), "attractiveness")
    async with serving(1.0) as (first, first_address), serving(2.0) as (second, second_address):
        names.address = first_address
        assert await client.is_ready(10)
        under_way = asyncio.create_task(client.infer(PIXELS, timeout=60))
        await asyncio.wait_for(first.asked.wait(), 30)

        names.address = second_address
        assert await client.is_ready(10)
        second.may_answer.set()
        assert float((await client.infer(PIXELS, timeout=60)).score[0]) == 2.0
        first.may_answer.set()
        assert float((await under_way).score[0]) == 1.0

        names.address = ""
        assert await client.is_ready(10), "what was known serves on while no name can be looked up"
        await client.close()


async def test_the_time_that_is_left_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(1.0) as (replica, address):
        replica.may_answer.set()
        client = TritonClient((address,), "attractiveness")
        assert await client.is_ready(10)
        await client.infer(PIXELS, timeout=77.5)
        await client.close()
    assert 60 < replica.deadline < 80, "gRPC rounds up"


async def test_nothing_is_ready_while_no_name_was_ever_known(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch)
    client = TritonClient(("a:8001", "b:8001"), "attractiveness")
    assert not await client.is_ready(10)
    with pytest.raises(HolisticUnavailableError):
        await client.infer(PIXELS, timeout=5)
    await client.close()


class Refusing(Replica):
    """Is going away, and counts who asks."""

    def __init__(self) -> None:
        super().__init__(0)
        self.asked_for = 0

    async def ModelInfer(  # noqa: N802 - gRPC's name
        self, request: service_pb2.ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        self.asked_for += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        raise AssertionError


async def test_a_failing_triton_is_asked_little_more_than_once_a_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facestats.holistic.triton, "_ROUND_PAUSE", 0.0)
    replica, photos = Refusing(), 600
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(replica, server)
    ports = [server.add_insecure_port("127.0.0.1:0") for _ in range(2)]
    await server.start()
    client = TritonClient(tuple(f"127.0.0.1:{port}" for port in ports), "attractiveness")
    assert await client.is_ready(10)
    for photo in range(photos):
        before = replica.asked_for
        with pytest.raises(HolisticUnavailableError):
            await client.infer(PIXELS, timeout=30)
        assert replica.asked_for - before <= 12, photo
    assert photos <= replica.asked_for <= 2 * photos
    await client.close()
    await server.stop(None)
