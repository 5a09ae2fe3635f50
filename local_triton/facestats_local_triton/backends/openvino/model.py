"""Triton's entry point of the backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from facestats.models.openvino_sessions import OpenVinoSession
from facestats.models.openvino_settings import read_openvino_settings
from facestats.models.parameters import ConfigurationError
from facestats_local_triton.backends.graph_model import GraphModel, LoadedGraph
from facestats_local_triton.backends.openvino.graph import graph_tensors


class TritonPythonModel(GraphModel):
    """Serves one model file with OpenVINO as the model's configuration says."""

    runtime = "openvino"
    default_file = "model.xml"

    def load(self, config: Mapping[str, Any], path: Path, kind: str, device: int) -> LoadedGraph:
        """Compiles the graph; an instance is a process here, so that one stream of the configured ones is its own."""
        if kind != "CPU":
            raise ConfigurationError(
                f"unable to load model '{config['name']}', Triton openVINO backend supports only CPU device"
            )
        settings = read_openvino_settings(config)
        session = OpenVinoSession(path, settings)
        if settings.precision == "bf16" and session.precision != "bf16":
            pb_utils.Logger.log_warn(
                f"model '{config['name']}' asks for bf16, which this processor has no units for: it runs in f32"
            )
        return LoadedGraph(graph_tensors(session.inputs), graph_tensors(session.outputs), session.run)
