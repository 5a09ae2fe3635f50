"""What was exported, as string parameters for Triton's model configurations."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tritonclient.grpc import model_config_pb2

GOLDEN_TOLERANCE = {"fp32": 0.5, "fp16": 1.0, "bf16": 3.0, "int8": 3.0}
"""How far the live score of the golden input may lie from the export's, points: other processors, other versions."""

_VERSIONED = ("torch", "transformers", "onnx", "onnxruntime", "openvino")


def graphs_sha256(graphs: Mapping[str, bytes]) -> str:
    """One hash over the ONNX files, by model name."""
    digest = hashlib.sha256()
    for name in sorted(graphs):
        digest.update(name.encode() + hashlib.sha256(graphs[name]).digest())
    return "sha256:" + digest.hexdigest()


def configs_sha256(configs: Mapping[str, model_config_pb2.ModelConfig]) -> str:
    """One hash over the models' configurations, by model name, without their provenance."""
    digest = hashlib.sha256()
    for name in sorted(configs):
        digest.update(name.encode() + configs[name].SerializeToString(deterministic=True))
    return "sha256:" + digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of what computed the export."""
    return {f"{name}_version": _version(name) for name in _VERSIONED}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        # On a machine with a GPU the package `onnxruntime` comes from the distribution `onnxruntime-gpu`.
        return version(packages_distributions()[package][0])


def golden_parameters(
    pixels: NDArray[np.uint8], embedding: NDArray[np.floating[Any]], raw: float, score: float, precision: str
) -> dict[str, str]:
    """The golden input and its answer, as parameters.

    Args:
        pixels: [224, 224, 3] uint8.
        embedding: [512].
        raw: The regressor's output.
        score: The calibrated score, ``NO_SCORE`` without a calibration.
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
