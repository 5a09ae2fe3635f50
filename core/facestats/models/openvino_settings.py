"""Reads a Triton model configuration as NVIDIA's native OpenVINO backend does (its README, 2024 to 2026).

Pure functions of the configuration: no Triton, no OpenVINO.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from facestats.models.parameters import ConfigurationError, ModelParameters

HINT_BF16 = "HINT_BF16"
NUM_THREADS = "INFERENCE_NUM_THREADS"
NUM_STREAMS = "NUM_STREAMS"
BATCH_PADDING = "ENABLE_BATCH_PADDING"
PRECISION = "INFERENCE_PRECISION_HINT"
"""Ours: the native backend can only ask for bf16, and ignores this one."""

Precision = Literal["", "f32", "bf16"]
PerformanceHint = Literal["LATENCY", "THROUGHPUT", "CUMULATIVE_THROUGHPUT"]

_PRECISIONS: Mapping[str, Precision] = {"": "", "f32": "f32", "bf16": "bf16"}
_HINTS: Mapping[str, PerformanceHint] = {
    "LATENCY": "LATENCY",
    "THROUGHPUT": "THROUGHPUT",
    "CUMULATIVE_THROUGHPUT": "CUMULATIVE_THROUGHPUT",
}


@dataclass(frozen=True)
class OpenVinoSettings:
    """What a configuration says about the compiled model.

    Attributes:
        precision: Of the arithmetic; empty leaves it to OpenVINO, which takes bf16 wherever the processor has units
            for it.
        threads: Of all streams together; 0: one a core.
        streams: Requests that run side by side, each on its share of the threads; 0 leaves it to OpenVINO.
        performance_hint: What OpenVINO's own choices are for.
    """

    precision: Precision = ""
    threads: int = 0
    streams: int = 0
    performance_hint: PerformanceHint = "LATENCY"

    def threads_of_a_stream(self, cores: int) -> int:
        """Threads that one request runs on, at least one.

        Args:
            cores: Taken where the configuration names no number of threads.
        """
        return max(1, (self.threads or cores) // max(1, self.streams))


def read_openvino_settings(config: Mapping[str, Any]) -> OpenVinoSettings:
    """Reads the compiled model's settings from a model configuration in its JSON form.

    Other parameters are ignored, as the native backend does.

    Raises:
        ConfigurationError: A value is none of those allowed, or the model takes batches and does not say that smaller
            ones are to be filled up: the native backend would fail all but full ones.
    """
    reader = ModelParameters(config)
    if int(config.get("max_batch_size", 0)) > 1 and reader.text(BATCH_PADDING).lower() != "yes":
        raise ConfigurationError(
            f"unable to load model '{config['name']}', the native OpenVINO backend fails batches smaller than "
            f"max_batch_size unless parameter '{BATCH_PADDING}' is 'YES'"
        )
    _count(reader, "COMPILATION_NUM_THREADS")
    streams = reader.text(NUM_STREAMS).lower()
    hint = reader.text("PERFORMANCE_HINT", "LATENCY").upper()
    if hint not in _HINTS:
        raise reader.refusal("PERFORMANCE_HINT", hint, f"one of {', '.join(_HINTS)}")
    return OpenVinoSettings(
        precision=_precision(reader),
        threads=_count(reader, NUM_THREADS),
        streams=0 if streams in ("auto", "numa") else _count(reader, NUM_STREAMS),
        performance_hint=_HINTS[hint],
    )


def _count(reader: ModelParameters, name: str) -> int:
    text = reader.text(name)
    if not text:
        return 0
    if not text.isdecimal():
        raise reader.refusal(name, text, "a non-negative number")
    return int(text)


def _precision(reader: ModelParameters) -> Precision:
    asked, bf16 = reader.text(PRECISION).lower(), reader.text(HINT_BF16).lower()
    if bf16 not in ("", "yes"):
        raise reader.refusal(HINT_BF16, reader.text(HINT_BF16), "YES")
    if asked not in _PRECISIONS:
        raise reader.refusal(PRECISION, reader.text(PRECISION), "f32 or bf16")
    if bf16 and asked == "f32":
        raise reader.refusal(PRECISION, "f32", f"no other precision than {HINT_BF16}'s")
    return "bf16" if bf16 else _PRECISIONS[asked]
