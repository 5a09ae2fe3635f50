"""What computes the image tower: a precision on an engine, in this process as Triton will have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facestats.models.openvino_sessions import OpenVinoSession, has_bf16_units
from facestats.models.openvino_settings import OpenVinoSettings, Precision
from facestats_export.errors import ExportError

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
TARGETS = ("cpu", "openvino", "cuda", "tensorrt")
GPU_TARGETS = ("cuda", "tensorrt")
AUTO = "auto"

_PRECISIONS_OF = {
    "cpu": ("fp32", "fp16", "int8"),
    "openvino": ("fp32", "bf16"),
    "cuda": ("fp32", "fp16"),
    "tensorrt": ("fp32", "fp16"),
}
_OPENVINO_NAMES: Mapping[str, Precision] = {"fp32": "f32", "bf16": "bf16"}


@dataclass(frozen=True)
class Variant:
    """A precision of the image tower, and what Triton runs it on.

    Attributes:
        precision: One of ``PRECISIONS``.
        target: One of ``TARGETS``.
    """

    precision: str
    target: str

    @property
    def engine(self) -> str:
        """What computes it in this process: GPU targets are proved with ONNX Runtime on the CPU."""
        return "openvino" if self.target == "openvino" else "onnxruntime"

    def __str__(self) -> str:
        return f"{self.precision} on {self.engine}"


REFERENCE = Variant("fp32", "cpu")
"""What everything else is held against once it is itself proved equal to PyTorch."""


def variants(precision: str, target: str, notify: Callable[[str], None]) -> tuple[Variant, ...]:
    """What may be exported here, the reference last.

    Args:
        precision: One of ``PRECISIONS`` or ``auto``.
        target: One of ``TARGETS`` or ``auto``, which follows the precision.
        notify: Told where this processor cannot give what was asked for.

    Raises:
        ExportError: The target does not compute in that precision.
    """
    if target != AUTO and precision not in (AUTO, *_PRECISIONS_OF[target]):
        able = ", ".join(_PRECISIONS_OF[target])
        raise ExportError(
            f"--target {target} computes in {able}, not in {precision}; leave --target out to have it chosen."
        )
    if precision == "bf16" and not has_bf16_units():
        notify("This processor has no units for bf16 (AVX-512 BF16 or AMX): exporting fp32, on OpenVINO all the same.")
        precision = "fp32"
        target = "openvino"
    if precision != AUTO:
        return (Variant(precision, {"bf16": "openvino"}.get(precision, "cpu") if target == AUTO else target),)
    if target in GPU_TARGETS:
        return Variant("fp16", target), Variant("fp32", target)
    bf16 = [Variant("bf16", "openvino")] if has_bf16_units() else []
    if target == "openvino":
        return *bf16, Variant("fp32", "openvino")
    # OpenVINO's fp32 is as fast as ONNX Runtime's, which Triton's containers serve better.
    return *(bf16 if target == AUTO else ()), Variant("int8", "cpu"), REFERENCE


class Encoder(Protocol):
    """The image tower, ready to run."""

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[N, 512] for [N, 224, 224, 3]."""


def encoder(graph: bytes | str, variant: Variant = REFERENCE) -> Encoder:
    """Loads the image tower into this process.

    Args:
        graph: ONNX bytes, or the file's path.
        variant: What it is computed in and on.
    """
    session: Any
    if variant.engine == "openvino":
        settings = OpenVinoSettings(precision=_OPENVINO_NAMES[variant.precision])
        session = OpenVinoSession(Path(graph) if isinstance(graph, str) else graph, settings)
    else:
        session = onnx_session(graph)

    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        embedding: NDArray[np.float32] = session.run(["EMBEDDING"], {"PIXELS": pixels})[0]
        return embedding

    return encode


def onnx_session(graph: bytes | str) -> Any:
    """ONNX Runtime on all cores, without its warnings.

    Args:
        graph: ONNX bytes, or the file's path.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # As it is served; threads that spin would also disturb whatever is timed next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
