"""What was exported, written into Triton's model configurations as ``configs/exported.pbtxt``."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray
from PIL import Image
from tritonclient.grpc import model_config_pb2

from export.errors import ExportError

CONFIG_NAME = "exported"
"""``tritonserver --model-config-name`` picks ``configs/<name>.pbtxt``."""

GOLDEN_TOLERANCE = {"fp32": 0.5, "fp16": 1.0, "int8": 3.0}
"""How far the live score of the golden input may lie from the export's, points: other processors, other versions."""

_VERSIONED = ("torch", "transformers", "onnx", "onnxruntime")


def graphs_sha256(graphs: Mapping[str, bytes]) -> str:
    """One hash over the ONNX files, by model name."""
    digest = hashlib.sha256()
    for name in sorted(graphs):
        digest.update(name.encode() + hashlib.sha256(graphs[name]).digest())
    return "sha256:" + digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of what computed the export."""
    return {f"{name}_version": version(name) for name in _VERSIONED}


def golden_parameters(
    pixels: NDArray[np.uint8], embedding: NDArray[np.floating[Any]], raw: float, score: float, precision: str
) -> dict[str, str]:
    """The golden input and its answer, as parameters.

    Args:
        pixels: [224, 224, 3] uint8.
        embedding: [512].
        raw: The regressor's output.
        score: The calibrated score, NaN without a calibration.
        precision: Of the graphs that answered.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return {
        "golden_pixels": base64.b64encode(buffer.getvalue()).decode(),
        "golden_embedding": base64.b64encode(embedding.astype("<f4").tobytes()).decode(),
        "golden_raw": repr(float(raw)),
        "golden_score": repr(float(score)),
        "golden_score_tolerance": repr(GOLDEN_TOLERANCE[precision]),
    }


def read_config(path: Path) -> model_config_pb2.ModelConfig:
    """Reads a ``config.pbtxt``.

    Raises:
        ExportError: It is missing or no model configuration.
    """
    config = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(path.read_text(), config)
    except (OSError, text_format.ParseError) as error:
        raise ExportError(f"the model configuration '{path}' cannot be read: {error}.") from error
    return config


def read_parameters(model_folder: Path) -> dict[str, str]:
    """Parameters of a model's exported configuration; empty when it has none."""
    path = model_folder / "configs" / f"{CONFIG_NAME}.pbtxt"
    if not path.is_file():
        return {}
    return {name: value.string_value for name, value in read_config(path).parameters.items()}


def exported_config(tracked: model_config_pb2.ModelConfig, parameters: Mapping[str, str]) -> str:
    """The tracked configuration with parameters added, as text."""
    config = model_config_pb2.ModelConfig()
    config.CopyFrom(tracked)
    for name, value in parameters.items():
        config.parameters[name].string_value = value
    return str(text_format.MessageToString(config))
