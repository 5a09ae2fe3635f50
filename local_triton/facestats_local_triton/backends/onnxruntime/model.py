"""Triton's entry point of the backend: one object per model instance, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from facestats.models.session_settings import model_path, read_session_settings
from facestats.models.sessions import open_session, register_cpu_arena
from facestats_local_triton.backends.onnxruntime.tensors import check_tensors, graph_tensors

Feed = dict[str, NDArray[Any]]


class TritonPythonModel:
    """Serves one ONNX file as the model's configuration says."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model.

        Args:
            args: Triton's: the configuration as JSON, the repository, version, instance kind and device.

        Raises:
            ConfigurationError: The model must not be served; Triton reports the message.
        """
        config = json.loads(args["model_config"])
        settings = read_session_settings(config)
        path = model_path(config, Path(args["model_repository"]) / args["model_version"])
        if settings.enable_mem_arena:
            register_cpu_arena()
        self._session = open_session(path, settings, args["model_instance_kind"], int(args["model_instance_device_id"]))
        inputs, outputs = graph_tensors(self._session.get_inputs()), graph_tensors(self._session.get_outputs())
        check_tensors(config, inputs, outputs)
        self._inputs = {tensor["name"]: tensor for tensor in config["input"]}
        self._outputs = {tensor["name"]: tensor for tensor in config["output"]}
        self._batches = int(config.get("max_batch_size", 0)) > 0

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Runs the requests of one dynamic batch in one go.

        Where that fails each is run by itself, so that only the one at fault gets the error.
        """
        if self._batches and len(requests) > 1:
            try:
                return self._run_together(requests)
            except Exception as error:
                pb_utils.Logger.log_warn(f"a batch of {len(requests)} requests failed, running each alone: {error}")
        return [self._run_alone(request) for request in requests]

    def finalize(self) -> None:
        """Releases the session."""
        del self._session

    def _run_together(self, requests: Sequence[Any]) -> list[Any]:
        feeds = [self._feed(request) for request in requests]
        joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
        results = self._session.run(list(self._outputs), joined)
        sizes = [len(next(iter(feed.values()))) for feed in feeds]
        ends = np.cumsum(sizes)
        # Slices along the first axis are views: the only copy is the one into Triton's shared memory.
        return [
            self._response([result[end - size : end] for result in results])
            for size, end in zip(sizes, ends, strict=True)
        ]

    def _run_alone(self, request: Any) -> Any:
        try:
            return self._response(self._session.run(list(self._outputs), self._feed(request)))
        except Exception as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"onnx runtime error: {error}"))

    def _feed(self, request: Any) -> Feed:
        return {name: self._array(request, name) for name in self._inputs}

    def _array(self, request: Any, name: str) -> NDArray[Any]:
        array: NDArray[Any] = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
        tensor = self._inputs[name]
        if tensor["data_type"] == "TYPE_STRING":
            array = np.array([value.decode() for value in array.flat], dtype=object).reshape(array.shape)
        if "reshape" in tensor:
            array = array.reshape(self._shape(array, tensor["reshape"]["shape"]))
        return array

    def _response(self, results: Sequence[NDArray[Any]]) -> Any:
        tensors = []
        for (name, tensor), result in zip(self._outputs.items(), results, strict=True):
            if "reshape" in tensor:
                result = result.reshape(self._shape(result, tensor["dims"]))
            tensors.append(pb_utils.Tensor(name, result))
        return pb_utils.InferenceResponse(output_tensors=tensors)

    def _shape(self, array: NDArray[Any], dims: Sequence[Any]) -> tuple[int, ...]:
        sizes = tuple(int(size) for size in dims)
        return (len(array), *sizes) if self._batches else sizes
