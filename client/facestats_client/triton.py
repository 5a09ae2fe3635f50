"""The holistic score straight from Triton, without the gateway (needs the ``triton`` extra)."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Literal

from facestats_client.errors import FaceStatsError, ServiceUnreachableError
from facestats_client.images import ImageSource, image_bytes

MODEL = "attractiveness_image"
"""Ensemble that takes encoded image files, so nothing has to be preprocessed here."""

_BATCH = 8
_MAX_MESSAGE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class TritonScore:
    """Triton's answer for one picture.

    Attributes:
        score: 0..100; ``nan`` when the picture could not be decoded.
        raw: The regressor's output in its own unit; ``nan`` likewise.
        error: Why it could not be decoded; empty when it could.
    """

    score: float
    raw: float
    error: str


class TritonScorer:
    """Sends encoded images to the ``attractiveness_image`` ensemble, which decodes and crops them as the gateway does.

    Triton sees the whole picture, centre-cropped (the gateway's ``crop=full``): there is no face detection, so a
    picture without a face gets a score too, and scores differ from those of aligned crops. Safe for one thread.

    Args:
        address: ``host:port`` of Triton's gRPC (8001) or HTTP (8000) endpoint.
        protocol: Which of the two.
        timeout: Seconds for each call.
        proxy: Whether gRPC goes through the proxy that the environment names (``https_proxy``, ``http_proxy``), as it
            would by itself, to this machine too. HTTP never does.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:8001",
        *,
        protocol: Literal["grpc", "http"] = "grpc",
        timeout: float = 30.0,
        proxy: bool = False,
    ) -> None:
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

    def score(self, image: ImageSource) -> float:
        """The holistic score of one picture, 0..100.

        Raises:
            FaceStatsError: The picture cannot be decoded, or Triton refused.
            ServiceUnreachableError: Triton does not answer.
            OSError: The file cannot be read.
        """
        answer = self._infer([image_bytes(image)])[0]
        if answer.error:
            raise FaceStatsError(answer.error)
        return answer.score

    def score_many(self, images: Iterable[ImageSource]) -> Iterator[TritonScore]:
        """Scores pictures in their order, several per call; one that cannot be decoded leaves its neighbours unharmed.

        Raises:
            FaceStatsError: Triton refused or does not answer.
            OSError: A file cannot be read.
        """
        source = iter(images)
        while batch := [image_bytes(image) for image in islice(source, _BATCH)]:
            yield from self._infer(batch)

    def _infer(self, files: Sequence[bytes]) -> list[TritonScore]:
        import numpy as np
        from tritonclient.utils import InferenceServerException

        tensor = self._module.InferInput("IMAGE", [len(files), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[data] for data in files], dtype=np.object_))
        outputs = [self._module.InferRequestedOutput(name) for name in ("SCORE", "RAW", "ERROR")]
        try:
            answer = self._client.infer(MODEL, [tensor], outputs=outputs, **self._call_arguments)
        except InferenceServerException as error:
            if "UNAVAILABLE" in str(error.status()) or "DEADLINE_EXCEEDED" in str(error.status()):
                raise ServiceUnreachableError(f"Triton at {self._address}: {error.message()}") from error
            raise FaceStatsError(f"Triton refused the request: {error.message()}") from error
        except OSError as error:
            raise ServiceUnreachableError(f"Triton at {self._address} cannot be reached: {error}") from error
        columns = (answer.as_numpy("SCORE")[:, 0], answer.as_numpy("RAW")[:, 0], answer.as_numpy("ERROR")[:, 0])
        return [TritonScore(float(score), float(raw), why.decode()) for score, raw, why in zip(*columns, strict=True)]
