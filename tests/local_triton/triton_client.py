"""What the tests ask a running Triton, and waiting for its log."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import numpy as np
import tritonclient.grpc
from numpy.typing import NDArray

from facestats_local_triton.server import TritonPorts

LOG_TIMEOUT = 30.0


class LogWatch:
    """A log callback that lets a test wait for a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, text: str, times: int = 1) -> str:
        """The first line that contains ``text``, once there are ``times`` of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.matching(text)) >= times, LOG_TIMEOUT), self.lines[-20:]
            return self.matching(text)[0]

    def matching(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]


def infer(ports: TritonPorts, model: str, tensors: dict[str, NDArray[Any]], **options: Any) -> dict[str, Any]:
    """One gRPC request; output name to array."""
    types = {np.float32: "FP32", np.int64: "INT64", np.uint8: "UINT8", np.object_: "BYTES"}
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{ports.grpc}") as client:
        inputs = []
        for name, array in tensors.items():
            tensor = tritonclient.grpc.InferInput(name, list(array.shape), types[array.dtype.type])
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
        answer = client.infer(model, inputs, **options)
        return {output.name: answer.as_numpy(output.name) for output in answer.get_response().outputs}


def scale(ports: TritonPorts, model: str = "scale") -> list[float]:
    """What the tiny model makes of [1, 2]."""
    result: list[float] = infer(ports, model, {"X": np.array([[1, 2]], np.float32)})["Y"][0].tolist()
    return result


def statistics(ports: TritonPorts, model: str) -> dict[str, Any]:
    answer = httpx.get(f"http://127.0.0.1:{ports.http}/v2/models/{model}/stats")
    found: dict[str, Any] = answer.raise_for_status().json()["model_stats"][0]
    return found


def model_states(ports: TritonPorts) -> dict[str, str]:
    """Model name to its state and the reason for it."""
    answer = httpx.post(f"http://127.0.0.1:{ports.http}/v2/repository/index")
    return {
        model["name"]: f"{model.get('state', '')} {model.get('reason', '')}"
        for model in answer.raise_for_status().json()
    }
