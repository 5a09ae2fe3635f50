"""Reads a Triton model configuration as NVIDIA's native ONNX Runtime backend does (r24.10).

Pure functions of the configuration: no Triton, no ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from facestats.models.parameters import ModelParameters

_SESSION_PREFIX = "session."
ARENA_SHRINKAGE = "memory.enable_memory_arena_shrinkage"

OptimizationLevel = Literal["basic", "extended", "off", "all"]
ExecutionMode = Literal["sequential", "parallel"]


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
        arena_shrinkage: Arenas that give memory back after each run, such as ``cpu:0`` or ``cpu:0;gpu:0``; empty: none.
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
    arena_shrinkage: str = ""
    gpu_accelerators: tuple[Accelerator, ...] = ()
    cpu_accelerators: tuple[Accelerator, ...] = ()


def read_session_settings(config: Mapping[str, Any]) -> SessionSettings:
    """Reads the session's settings from a model configuration in its JSON form.

    Parameters other than the ones named in :class:`SessionSettings` are ignored, as the native backend does.

    Raises:
        ConfigurationError: A value is not an integer or boolean string, or out of its range.
    """
    reader = ModelParameters(config)
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
        intra_op_thread_count=_thread_count(reader, "intra_op_thread_count"),
        inter_op_thread_count=_thread_count(reader, "inter_op_thread_count"),
        execution_mode="parallel" if execution_mode else "sequential",
        enable_mem_arena=reader.boolean("enable_mem_arena", True),
        enable_mem_pattern=reader.boolean("enable_mem_pattern", True),
        optimization=levels.get(level, "all"),
        session_entries=reader.starting_with(_SESSION_PREFIX),
        arena_shrinkage=reader.text(ARENA_SHRINKAGE),
        gpu_accelerators=_accelerators(accelerators.get("gpu_execution_accelerator", [])),
        cpu_accelerators=_accelerators(accelerators.get("cpu_execution_accelerator", [])),
    )


def _thread_count(reader: ModelParameters, name: str) -> int:
    # The native backend hands positive counts to ONNX Runtime and leaves the rest at its default.
    return max(0, reader.integer(name, 0))


def _accelerators(entries: list[Mapping[str, Any]]) -> tuple[Accelerator, ...]:
    return tuple(Accelerator(entry["name"], dict(entry.get("parameters", {}))) for entry in entries)
