"""Compiles an ONNX graph with OpenVINO as a configuration describes."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openvino
from numpy.typing import NDArray

from facestats.models.openvino_settings import OpenVinoSettings

_DEVICE = "CPU"


def has_bf16_units() -> bool:
    """Whether this processor multiplies bf16 in units of its own: AVX-512 BF16 or AMX."""
    return "BF16" in openvino.Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")


class OpenVinoSession:
    """A compiled graph; may be run from several threads, as many at a time as it has streams.

    Args:
        model: The ONNX file, or its content.
        settings: From the model's configuration. bf16 becomes f32 where the processor has no units for it.
        streams: Runs that may go on at the same time, each on a stream's share of the threads.
        cores: Taken where the settings name no number of threads; all that this process may use, if absent.

    Raises:
        RuntimeError: OpenVINO cannot read or compile the graph.
    """

    def __init__(
        self, model: Path | bytes, settings: OpenVinoSettings, *, streams: int = 1, cores: int | None = None
    ) -> None:
        core = openvino.Core()
        cores = len(os.sched_getaffinity(0)) if cores is None else cores
        properties: dict[str, Any] = {
            "PERFORMANCE_HINT": settings.performance_hint,
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * settings.threads_of_a_stream(cores),
            # Threads bound to cores would keep the gateway's from them.
            "ENABLE_CPU_PINNING": False,
        }
        if settings.precision:
            self.precision = "f32" if settings.precision == "bf16" and not has_bf16_units() else settings.precision
            properties["INFERENCE_PRECISION_HINT"] = self.precision
        graph = core.read_model(model)
        self._compiled = core.compile_model(graph, _DEVICE, properties)
        self._own = threading.local()

    @property
    def inputs(self) -> Sequence[Any]:
        """OpenVINO's description of the graph's inputs."""
        ports: Sequence[Any] = self._compiled.inputs
        return ports

    @property
    def outputs(self) -> Sequence[Any]:
        """OpenVINO's description of the graph's outputs."""
        ports: Sequence[Any] = self._compiled.outputs
        return ports

    def run(self, outputs: Sequence[str], feed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Runs the graph once.

        Args:
            outputs: Names of those wanted.
            feed: Input name to array.

        Returns:
            The outputs, in that order; copies.
        """
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer(dict(feed), share_inputs=True)
        return [request.get_tensor(name).data.copy() for name in outputs]
