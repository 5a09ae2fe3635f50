"""Replicas that are stopping refuse what others can answer: the gateway's client asks those."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import grpc
import numpy as np
import pytest
import pytest_asyncio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from facestats.holistic.backend import HolisticUnavailableError
from facestats.holistic.triton import TritonClient

PIXELS = np.zeros((1, 224, 224, 3), np.uint8)


class Replica(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Answers like a Triton that serves, or one that was told to stop and has unloaded its models."""

    def __init__(self) -> None:
        self.stopping = False
        self.refused = self.answered = 0

    async def ModelInfer(  # noqa: N802
        self, request: service_pb2.ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        if self.stopping:
            self.refused += 1
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"Request for unknown model: '{request.model_name}' has no available versions",
            )
        self.answered += 1
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        for name in ("SCORE", "RAW"):
            answer.outputs.add(name=name, datatype="FP32", shape=[1, 1])
            answer.raw_output_contents.append(np.ones(1, np.float32).tobytes())
        return answer


Start = Callable[[int], Awaitable[tuple[list[Replica], TritonClient]]]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    """Starts so many replicas, and a client of them."""
    async with AsyncExitStack() as running:

        async def started(count: int) -> tuple[list[Replica], TritonClient]:
            replicas, urls = [Replica() for _ in range(count)], []
            for replica in replicas:
                server = grpc.aio.server()
                service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(replica, server)
                urls.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
                await server.start()
                running.push_async_callback(server.stop, None)
            client = TritonClient(tuple(urls), "attractiveness")
            await client.connect(5)
            running.push_async_callback(client.close)
            return replicas, client

        yield started


async def test_what_a_stopping_replica_refuses_another_answers(start: Start) -> None:
    replicas, client = await start(2)
    # Both are connected before one stops: gRPC goes on sending it every second call.
    await asyncio.gather(*(client.infer(PIXELS, timeout=10) for _ in range(20)))
    replicas[0].stopping = True
    answers = await asyncio.gather(*(client.infer(PIXELS, timeout=10) for _ in range(300)))
    assert {float(answer.score[0]) for answer in answers} == {1.0}
    assert replicas[0].refused > 100


async def test_the_only_replica_stopping_is_said_at_once(start: Start) -> None:
    (replica,), client = await start(1)
    await client.infer(PIXELS, timeout=10)
    replica.stopping = True
    with pytest.raises(HolisticUnavailableError, match="has no available versions"):
        await client.infer(PIXELS, timeout=10)
    # gRPC's own repetitions and no more.
    assert replica.refused <= 3


async def test_all_replicas_stopping_is_said_in_the_end(start: Start) -> None:
    replicas, client = await start(2)
    for replica in replicas:
        replica.stopping = True
    with pytest.raises(HolisticUnavailableError, match="has no available versions"):
        await client.infer(PIXELS, timeout=10)
    assert sum(replica.refused for replica in replicas) <= 12
