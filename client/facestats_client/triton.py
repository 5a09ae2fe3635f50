"""Whole photos scored straight by Triton, without the gateway (needs the ``triton`` extra)."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Literal

from facestats_client.errors import AddressError, FaceStatsError, ServiceUnreachableError, problem_error
from facestats_client.images import ImageSource, image_bytes
from facestats_client.outcomes import Outcome
from facestats_client.requests import ScoreOptions
from facestats_client.results import ScoreResult

MODEL = "psl"
"""Triton's model of the whole job: an encoded photo in, the gateway's document out."""

_BATCH = 8
_MAX_MESSAGE_BYTES = 256 * 1024 * 1024


class TritonScorer:
    """Sends encoded images to Triton's ``psl``, which scores them as the gateway does. Safe for one thread.

    Args:
        address: ``host:port`` of Triton's gRPC (8001) or HTTP (8000) endpoint.
        protocol: Which of the two.
        timeout: Seconds for each call.
        proxy: Whether gRPC goes through the proxy that the environment names (``https_proxy``, ``http_proxy``), as it
            would by itself, to this machine too. HTTP never does.

    Raises:
        AddressError: ``address`` is no ``host:port``.
        ValueError: ``protocol`` is neither of the two.
        ImportError: The ``triton`` extra is not installed.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:8001",
        *,
        protocol: Literal["grpc", "http"] = "grpc",
        timeout: float = 30.0,
        proxy: bool = False,
    ) -> None:
        if protocol not in ("grpc", "http"):
            raise ValueError(f"protocol is 'grpc' or 'http', not {protocol!r}")
        if address.startswith(("http://", "https://", "grpc://")):
            bare = address.partition("://")[2].rstrip("/")
            raise AddressError(f"Triton's address is host:port: '{bare}', not '{address}'; protocol= says how to ask")
        try:
            # The two modules have the same classes; only these arguments differ.
            self._module: Any = importlib.import_module(f"tritonclient.{protocol}")
        except ImportError as error:
            raise ImportError("TritonScorer needs tritonclient: pip install facestats-client[triton]") from error
        self._address = address
        if protocol == "grpc":
            limits = [
                ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.enable_http_proxy", int(proxy)),
            ]
            self._client = self._module.InferenceServerClient(address, channel_args=limits)
            self._call_arguments: dict[str, Any] = {"client_timeout": timeout}
        else:
            self._client = self._module.InferenceServerClient(
                address, network_timeout=timeout, connection_timeout=timeout
            )
            self._call_arguments = {}

    def __enter__(self) -> TritonScorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def score(self, image: ImageSource, options: ScoreOptions | None = None) -> ScoreResult:
        """Scores one picture.

        Args:
            image: A path, an encoded file's bytes, a PIL image, or a [H, W, 3] uint8 RGB array.
            options: What to ask for.

        Raises:
            ProblemError: It cannot be scored; its subclass says why (``NoFaceError``, ``ImageRefusedError``, ...).
            FaceStatsError: Triton refused the request.
            ServiceUnreachableError: Triton does not answer.
            OSError: The file cannot be read.
        """
        (answer,) = self._infer([image_bytes(image)], options or ScoreOptions())
        if isinstance(answer, FaceStatsError):
            raise answer
        return answer

    def score_many(
        self, images: Iterable[ImageSource], options: ScoreOptions | None = None, *, batch: int = _BATCH
    ) -> Iterator[Outcome]:
        """Scores pictures in their order, several a call; one that fails leaves its neighbours unharmed.

        Args:
            images: Taken as they are needed.
            options: The same for all.
            batch: Pictures a call, at most Triton's 32.

        Raises:
            FaceStatsError: Triton refused or does not answer.
            TypeError: Something among ``images`` is no picture.
        """
        source = enumerate(images)
        while items := list(islice(source, batch)):
            read = [_read(image) for _, image in items]
            sent = [data for data in read if isinstance(data, bytes)]
            answers = iter(self._infer(sent, options or ScoreOptions()) if sent else ())
            for (index, image), data in zip(items, read, strict=True):
                answer = next(answers) if isinstance(data, bytes) else data
                if isinstance(answer, ScoreResult):
                    yield Outcome(index, image, result=answer)
                else:
                    yield Outcome(index, image, error=answer)

    def _infer(self, files: Sequence[bytes], options: ScoreOptions) -> list[ScoreResult | FaceStatsError]:
        from tritonclient.utils import InferenceServerException

        tensors = [self._tensor("IMAGE", files)]
        tensors += [self._tensor(name.upper(), [text.encode()] * len(files)) for name, text in options.query().items()]
        outputs = [self._module.InferRequestedOutput("DOCUMENT")]
        try:
            answer = self._client.infer(MODEL, tensors, outputs=outputs, **self._call_arguments)
        except InferenceServerException as error:
            if "UNAVAILABLE" in str(error.status()) or "DEADLINE_EXCEEDED" in str(error.status()):
                raise ServiceUnreachableError(f"Triton at {self._address}: {error.message()}") from error
            raise FaceStatsError(f"Triton refused the request: {error.message()}") from error
        except OSError as error:
            raise ServiceUnreachableError(f"Triton at {self._address} cannot be reached: {error}") from error
        return [_result(json.loads(document)) for document in answer.as_numpy("DOCUMENT")[:, 0]]

    def _tensor(self, name: str, values: Sequence[bytes]) -> Any:
        import numpy as np

        tensor = self._module.InferInput(name, [len(values), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[value] for value in values], dtype=np.object_))
        return tensor


def _read(image: ImageSource) -> bytes | OSError:
    try:
        return image_bytes(image)
    except OSError as error:
        return error


def _result(document: dict[str, Any]) -> ScoreResult | FaceStatsError:
    if "faces" in document:
        return ScoreResult.model_validate(document)
    return problem_error(int(document["status"]), document)
