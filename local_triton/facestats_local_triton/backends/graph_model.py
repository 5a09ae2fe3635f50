"""Serves a graph for Triton, whatever runs it: gathers a dynamic batch's requests, runs them, splits the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from facestats.models.parameters import model_path
from facestats_local_triton.backends.tensors import GraphTensor, check_tensors

Feed = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class LoadedGraph:
    """A graph ready to run.

    Attributes:
        inputs: What it takes.
        outputs: What it can give.
        run: Names of the outputs wanted and the inputs to arrays of the outputs.
    """

    inputs: Sequence[GraphTensor]
    outputs: Sequence[GraphTensor]
    run: Callable[[Sequence[str], Feed], Sequence[NDArray[Any]]]


class BadInputError(ValueError):
    """The caller's tensor cannot be taken; the message says why."""


class GraphModel:
    """What Triton's Python backend calls; a backend's ``TritonPythonModel`` says how a file is loaded.

    One object per model instance, in a process of its own.
    """

    runtime: str
    """Named in errors."""

    default_file: str
    """The version folder's file where the configuration names none."""

    def load(self, config: Mapping[str, Any], path: Path, kind: str, device: int) -> LoadedGraph:
        """Loads a file.

        Args:
            config: Model configuration in its JSON form.
            path: The file.
            kind: The instance's, ``CPU`` or ``GPU``.
            device: Index of the GPU.

        Raises:
            ConfigurationError: The configuration cannot be followed.
        """
        raise NotImplementedError

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model.

        Args:
            args: Triton's: the configuration as JSON, the repository, version, instance kind and device.

        Raises:
            ConfigurationError: The model must not be served; Triton reports the message.
        """
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        path = model_path(config, folder, self.default_file)
        graph = self.load(config, path, args["model_instance_kind"], int(args["model_instance_device_id"]))
        check_tensors(config, graph.inputs, graph.outputs)
        self._run_graph = graph.run
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
        """Releases the graph."""
        del self._run_graph

    def _run_together(self, requests: Sequence[Any]) -> list[Any]:
        feeds = [self._feed(request) for request in requests]
        joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
        results = self._run_graph(list(self._outputs), joined)
        sizes = [len(next(iter(feed.values()))) for feed in feeds]
        ends = np.cumsum(sizes)
        # Slices along the first axis are views: the only copy is the one into Triton's shared memory.
        return [
            self._response([result[end - size : end] for result in results])
            for size, end in zip(sizes, ends, strict=True)
        ]

    def _run_alone(self, request: Any) -> Any:
        try:
            return self._response(self._run_graph(list(self._outputs), self._feed(request)))
        except BadInputError as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG))
        except Exception as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{self.runtime} error: {error}"))

    def _feed(self, request: Any) -> Feed:
        return {name: self._array(request, name) for name in self._inputs}

    def _array(self, request: Any, name: str) -> NDArray[Any]:
        array: NDArray[Any] = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
        tensor = self._inputs[name]
        if tensor["data_type"] == "TYPE_STRING":
            array = np.array([_text(value, name) for value in array.flat], dtype=object).reshape(array.shape)
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


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"an element of input '{name}' is not UTF-8 ({error.reason} at byte {error.start}); "
            "the container-free backend takes no other strings"
        ) from error
