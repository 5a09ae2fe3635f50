"""Triton's entry point of the backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from facestats.models.session_settings import read_session_settings
from facestats.models.sessions import open_session, register_cpu_arena, run_options
from facestats_local_triton.backends.graph_model import Feed, GraphModel, LoadedGraph
from facestats_local_triton.backends.onnxruntime.graph import graph_tensors


class TritonPythonModel(GraphModel):
    """Serves one ONNX file with ONNX Runtime as the model's configuration says."""

    runtime = "onnx runtime"
    default_file = "model.onnx"

    def load(self, config: Mapping[str, Any], path: Path, kind: str, device: int) -> LoadedGraph:
        """Opens a session."""
        settings = read_session_settings(config)
        if settings.enable_mem_arena:
            register_cpu_arena()
        session: onnxruntime.InferenceSession = open_session(path, settings, kind, device)
        options = run_options(settings)

        def run(outputs: Sequence[str], feed: Feed) -> Sequence[NDArray[Any]]:
            results: list[NDArray[Any]] = session.run(outputs, feed, options)
            return results

        return LoadedGraph(graph_tensors(session.get_inputs()), graph_tensors(session.get_outputs()), run)
