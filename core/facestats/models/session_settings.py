"""Reads a Triton model configuration as NVIDIA's native ONNX Runtime backend does (r24.10).

Pure functions of the configuration: no Triton, no ONNX Runtime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

DEFAULT_MODEL_FILENAME = "model.onnx"

_SESSION_PREFIX = "session."
_BOOLEANS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_INT32 = range(-(2**31), 2**31)

OptimizationLevel = Literal["basic", "extended", "off", "all"]
ExecutionMode = Literal["sequential", "parallel"]


class ConfigurationError(ValueError):
    """The model must not be loaded; the message names the model, the key and what was expected."""


@dataclass(frozen=True)
class Accelerator:
    """One entry of ``optimization.execution_accelerators``.

    Attributes:
        name: ``tensorrt`` or ``cuda`` for a GPU, ``openvino`` for a CPU.
        parameters: As written, all strings.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SessionSettings:
    """What a configuration says about the ONNX Runtime session.

    Attributes:
        intra_op_thread_count: Threads inside an operator; 0 leaves it to ONNX Runtime.
        inter_op_thread_count: Threads across operators (``execution_mode`` 1); 0 leaves it to ONNX Runtime.
        execution_mode: Operators one after another, or independent ones side by side.
        enable_mem_arena: Whether memory of the CPU arena is kept between runs.
        enable_mem_pattern: Whether ONNX Runtime plans memory from the pattern of earlier runs.
        optimization: Graph optimisation level.
        session_entries: The ``session.*`` parameters. The native backend ignores them, this one hands them to ONNX
            Runtime: ``session.intra_op.allow_spinning`` "0" keeps its threads from busy waiting.
        gpu_accelerators: In the order they are tried.
        cpu_accelerators: In the order they are tried.
    """

    intra_op_thread_count: int = 0
    inter_op_thread_count: int = 0
    execution_mode: ExecutionMode = "sequential"
    enable_mem_arena: bool = True
    enable_mem_pattern: bool = True
    optimization: OptimizationLevel = "all"
    session_entries: Mapping[str, str] = field(default_factory=dict)
    gpu_accelerators: tuple[Accelerator, ...] = ()
    cpu_accelerators: tuple[Accelerator, ...] = ()


def read_session_settings(config: Mapping[str, Any]) -> SessionSettings:
    """Reads the session's settings from a model configuration in its JSON form.

    Parameters other than the ones named in :class:`SessionSettings` are ignored, as the native backend does.

    Raises:
        ConfigurationError: A value is not an integer or boolean string, or out of its range.
    """
    reader = _Parameters(config)
    execution_mode = reader.integer("execution_mode", 0)
    if execution_mode not in (0, 1):
        raise reader.refusal("execution_mode", str(execution_mode), "0 (sequential) or 1 (parallel)")
    # Checked as the native backend does, to no effect: instances are processes here and cannot share a session.
    reader.boolean("share_session_between_instances", False)
    optimization = config.get("optimization", {})
    level = int(optimization.get("graph", {}).get("level", 0))
    levels: dict[int, OptimizationLevel] = {-1: "basic", 1: "extended", 2: "off"}
    accelerators = optimization.get("execution_accelerators", {})
    return SessionSettings(
        intra_op_thread_count=reader.thread_count("intra_op_thread_count"),
        inter_op_thread_count=reader.thread_count("inter_op_thread_count"),
        execution_mode="parallel" if execution_mode else "sequential",
        enable_mem_arena=reader.boolean("enable_mem_arena", True),
        enable_mem_pattern=reader.boolean("enable_mem_pattern", True),
        optimization=levels.get(level, "all"),
        session_entries=reader.session_entries(),
        gpu_accelerators=_accelerators(accelerators.get("gpu_execution_accelerator", [])),
        cpu_accelerators=_accelerators(accelerators.get("cpu_execution_accelerator", [])),
    )


def model_path(config: Mapping[str, Any], version_directory: Path) -> Path:
    """The ONNX file of a model version: ``default_model_filename``, or ``model.onnx``.

    A folder stands for the ``model.onnx`` inside it (external data).

    Raises:
        ConfigurationError: There is no such file.
    """
    path = version_directory / (config.get("default_model_filename") or DEFAULT_MODEL_FILENAME)
    if path.is_dir():
        path = path / DEFAULT_MODEL_FILENAME
    if not path.is_file():
        raise ConfigurationError(f"unable to find '{path}' for model '{config['name']}'")
    return path


class _Parameters:
    """The ``parameters`` of one model's configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._model = config["name"]
        self._values = {name: str(value["string_value"]) for name, value in config.get("parameters", {}).items()}

    def integer(self, name: str, default: int) -> int:
        text = self._values.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]+", text.strip()) or int(text) not in _INT32:
            raise self.refusal(name, text, "an integer")
        return int(text)

    def thread_count(self, name: str) -> int:
        # The native backend hands positive counts to ONNX Runtime and leaves the rest at its default.
        return max(0, self.integer(name, 0))

    def boolean(self, name: str, default: bool) -> bool:
        text = self._values.get(name)
        if text is None:
            return default
        if text.lower() not in _BOOLEANS:
            raise self.refusal(name, text, "a boolean (true, false, on, off, 1 or 0)")
        return _BOOLEANS[text.lower()]

    def session_entries(self) -> dict[str, str]:
        return {name: text for name, text in self._values.items() if name.startswith(_SESSION_PREFIX)}

    def refusal(self, name: str, text: str, expected: str) -> ConfigurationError:
        return ConfigurationError(
            f"unable to load model '{self._model}', parameter '{name}' is '{text}', expected {expected}"
        )


def _accelerators(entries: list[Mapping[str, Any]]) -> tuple[Accelerator, ...]:
    return tuple(Accelerator(entry["name"], dict(entry.get("parameters", {}))) for entry in entries)
