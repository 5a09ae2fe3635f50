"""Asynchronous gRPC client of the Triton ensemble that computes the holistic half."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from opentelemetry import propagate
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from facestats.holistic.backend import Holistic, HolisticDeadlineError, HolisticRequestError, HolisticUnavailableError
from facestats.holistic.provenance import Provenance
from facestats.holistic.retry_budget import RetryBudget
from facestats.holistic.triton_targets import TargetError, grpc_target
from facestats.models.repository import PHOTO_MODEL

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""tritonclient drops its own limits as soon as any channel argument is given, so they are set here."""

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": "inference.GRPCInferenceService"}],
            # Scoring changes nothing on the server, so a request that a dying replica has seen may go to the next one.
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                # A Triton that was told to stop keeps its connections for seconds and knows no model any more.
                "retryableStatusCodes": ["UNAVAILABLE", "NOT_FOUND"],
            },
        }
    ],
    # A failed attempt takes a token, an answer gives one back, and below half of them nothing is repeated.
    "retryThrottling": {"maxTokens": 400, "tokenRatio": 1.0},
}
"""How gRPC itself spreads calls over the replicas and repeats those that a lost replica did not answer."""

_DNS_ATTEMPTS = 3
"""How many replicas behind one DNS name are asked before none counts as ready."""

_ROUNDS, _ROUND_PAUSE = 4, 0.1
"""How often a call to several replicas goes through gRPC's own attempts, and the seconds in between. Those are three
and meet replicas by chance: where one of two is stopping, all three of every eighth call."""

_RETRY_TOKENS, _TOKENS_PER_ANSWER = 100.0, 0.25
"""Further rounds without an answer to anybody (a replica that stops refuses all photos in flight at once), and rounds
for each answer: twice what one stopping replica of two asks for."""

_LABEL, _PROBABILITY = "_LABEL", "_PROBABILITY"


@dataclass
class _Channel:
    """A gRPC channel and the number of calls under way on it."""

    target: str
    client: InferenceServerClient
    calls: int = 0


class TritonClient:
    """The ensemble behind one gRPC channel, for one event loop; one a process.

    Args:
        urls: Addresses of the replicas, or one gRPC target that stands for all (``parse_triton_urls``).
        model: Name of the ensemble.
        proxy: Whether to go through the proxy that the environment names (``https_proxy``, ``http_proxy``).
        also: Further models without which Triton does not count as ready.

    Attributes:
        answers: How many questions Triton has answered so far.
    """

    def __init__(self, urls: tuple[str, ...], model: str, *, proxy: bool = False, also: tuple[str, ...] = ()) -> None:
        self.model = model
        self._models = (model, *also)
        self.answers = 0
        self._retries = RetryBudget(_RETRY_TOKENS, _TOKENS_PER_ANSWER)
        self._proxy = proxy
        self._urls = urls
        self._channel: _Channel | None = None

    async def close(self) -> None:
        """Closes the channel."""
        if self._channel is not None:
            await self._channel.client.close()

    async def connect(self, timeout: float) -> None:
        """Makes the channel, or a new one where the replicas' names stand for other addresses than before.

        Args:
            timeout: Seconds for looking the names up.

        Raises:
            HolisticUnavailableError: No name can be looked up.
        """
        try:
            target = await grpc_target(self._urls, timeout)
        except TargetError as error:
            if self._channel is not None:
                # What was known serves on while the name server is away.
                return
            raise HolisticUnavailableError(str(error)) from error
        old = self._channel
        if old is None or old.target != target:
            self._channel = _Channel(
                target, InferenceServerClient(target, channel_args=channel_arguments(proxy=self._proxy))
            )
            if old is not None and not old.calls:
                await old.client.close()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[InferenceServerClient]:
        """The channel's client for one call; a channel that was replaced meanwhile closes with its last call."""
        if self._channel is None:
            raise HolisticUnavailableError("there is no connection yet")
        channel = self._channel
        channel.calls += 1
        try:
            yield channel.client
        finally:
            channel.calls -= 1
            if channel is not self._channel and not channel.calls:
                await channel.client.close()

    async def is_ready(self, timeout: float) -> bool:
        """Whether at least one replica is ready and has the models loaded.

        Args:
            timeout: Seconds after which a replica counts as not ready.
        """
        try:
            await self.connect(timeout)
        except HolisticUnavailableError:
            return False
        async with self._connected() as client:
            # Calls go round the replicas, so that one of several that is still loading does not speak for the others.
            for _ in range(self._replicas()):
                try:
                    if all([await client.is_model_ready(model, client_timeout=timeout) for model in self._models]):
                        return True
                except (InferenceServerException, grpc.aio.AioRpcError):
                    continue
        return False

    async def _call(self, call: Callable[[InferenceServerClient, float], Awaitable[Any]], timeout: float) -> Any:
        """Makes a call; while other replicas may do better, one that was refused is made again.

        Args:
            call: Takes the client and the seconds that are left.
            timeout: Seconds for everything.

        Raises:
            HolisticUnavailableError: No replica that was asked can answer.
            HolisticDeadlineError: No answer within ``timeout``.
            HolisticRequestError: Triton failed on this request.
        """
        end, left = time.monotonic() + timeout, timeout
        rounds = _ROUNDS if self._replicas() > 1 else 1
        while True:
            rounds -= 1
            try:
                async with self._connected() as client:
                    answer = await call(client, left)
            except (InferenceServerException, grpc.aio.AioRpcError) as error:
                failure = _translate(error)
                left = end - time.monotonic() - _ROUND_PAUSE
                # Our requests are well formed, so a refusal of whatever kind is the replica's own: one that is stopping
                # names many reasons.
                if isinstance(failure, HolisticDeadlineError) or not rounds or left <= 0 or not self._retries.take():
                    raise failure from error
            else:
                self._retries.answered()
                return answer
            await asyncio.sleep(_ROUND_PAUSE)

    def _replicas(self) -> int:
        """How many replicas there may be to ask."""
        target = "" if self._channel is None else self._channel.target
        return _DNS_ATTEMPTS if target.startswith("dns:") else target.count(",") + 1

    async def provenance(self, timeout: float) -> Provenance:
        """What the export wrote into the ensemble's configuration.

        Raises:
            HolisticUnavailableError: Triton cannot be reached or does not know the model.
        """
        answer = await self._call(
            lambda client, left: client.get_model_config(self.model, client_timeout=left), timeout
        )
        return Provenance({name: value.string_value for name, value in answer.config.parameters.items()})

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool = False, attributes: tuple[str, ...] = ()
    ) -> Holistic:
        """Scores a batch of faces in one call.

        Args:
            pixels: [N, 224, 224, 3] uint8 RGB.
            timeout: Seconds. Triton goes on with a request that it has taken in, whether or not somebody waits.
            embedding: Whether to fetch the embeddings too.
            attributes: Names of the attribute heads to fetch.

        Raises:
            HolisticUnavailableError: Triton cannot be reached or is not ready.
            HolisticDeadlineError: No answer within ``timeout``.
            HolisticRequestError: Triton failed on this request.
        """
        tensor = InferInput("PIXELS", list(pixels.shape), "UINT8")
        tensor.set_data_from_numpy(pixels)
        names = ["SCORE", "RAW", *(["EMBEDDING"] if embedding else [])]
        names += [name + suffix for name in attributes for suffix in (_LABEL, _PROBABILITY)]

        def infer(client: InferenceServerClient, left: float) -> Awaitable[Any]:
            return client.infer(  # type: ignore[no-any-return]
                self.model,
                [tensor],
                outputs=[InferRequestedOutput(name) for name in names],
                client_timeout=left,
                headers=trace_headers(),
            )

        answer = await self._call(infer, timeout)
        self.answers += 1
        return Holistic(
            score=answer.as_numpy("SCORE")[:, 0],
            raw=answer.as_numpy("RAW")[:, 0],
            embedding=answer.as_numpy("EMBEDDING") if embedding else None,
            attributes={
                name: (answer.as_numpy(name + _LABEL)[:, 0], answer.as_numpy(name + _PROBABILITY))
                for name in attributes
            },
        )

    async def score_photo(self, data: bytes, choices: Mapping[str, str], *, timeout: float, patience: float) -> bytes:
        """Has ``psl`` score one encoded image.

        Args:
            data: The encoded image.
            choices: ``crop``, ``faces``, ``sex``, ``capture``, ``include`` as text; what is empty is not sent.
            timeout: Seconds after which ``psl`` gives the photo up.
            patience: Seconds after which the call is given up.

        Returns:
            The score's document, or the problem's; JSON.

        Raises:
            TritonUnavailableError: Triton cannot be reached or is not ready.
            TritonDeadlineError: No answer within ``patience``.
            TritonRequestError: Triton failed on this request.
        """
        tensors = [_string_input("IMAGE", data)]
        tensors += [_string_input(name.upper(), text.encode()) for name, text in choices.items() if text]

        async def infer(client: InferenceServerClient, left: float) -> bytes:
            answer = await client.infer(
                PHOTO_MODEL,
                tensors,
                outputs=[InferRequestedOutput("DOCUMENT"), InferRequestedOutput("ERROR")],
                client_timeout=left,
                timeout=max(1, int((left - patience + timeout) * 1e6)),
                headers=trace_headers(),
            )
            error = bytes(answer.as_numpy("ERROR")[0, 0])
            if error.startswith(b"triton-unavailable:"):
                # A replica that is stopping refuses its own psl first. Another one may do better.
                raise InferenceServerException(error.decode(errors="replace"))
            return bytes(answer.as_numpy("DOCUMENT")[0, 0])

        document: bytes = await self._call(infer, patience)
        self.answers += 1
        return document


def _string_input(name: str, value: bytes) -> InferInput:
    tensor = InferInput(name, [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[value]], dtype=np.object_))
    return tensor


def channel_arguments(*, proxy: bool = False) -> list[tuple[str, int | str]]:
    """GRPC channel arguments: message sizes, balancing over replicas, retries, and quick notice of dead connections.

    Args:
        proxy: Whether to go through the environment's proxy. gRPC itself always would, to loopback too, where no proxy
            leads; a Triton stands beside its callers.
    """
    return [
        ("grpc.enable_http_proxy", int(proxy)),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        # A frozen server or a cut cable says nothing: pings while a call waits find out. Triton ends connections that
        # ping without a call, so there are none then.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 0),
        # gRPC's own patience grows to two minutes; a restarted replica should be back in seconds.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    ]


def _translate(error: Exception) -> Exception:
    """Triton's or gRPC's error as one of ours."""
    if isinstance(error, InferenceServerException):
        status, message = str(error.status() or ""), str(error.message())
    else:
        status, message = f"StatusCode.{error.code().name}", str(error.details())  # type: ignore[attr-defined]
    if "DEADLINE_EXCEEDED" in status:
        return HolisticDeadlineError(message)
    if "UNAVAILABLE" in status or "NOT_FOUND" in status or "is not ready" in message:
        return HolisticUnavailableError(message)
    return HolisticRequestError(message)


def trace_headers() -> dict[str, str]:
    """W3C trace context of the current span, to be sent on; empty without one."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers
