"""Builds the ONNX Runtime session that a configuration describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from facestats.models.parameters import ConfigurationError
from facestats.models.session_settings import ARENA_SHRINKAGE, Accelerator, SessionSettings

_LEVELS = {
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "off": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_MODES = {
    "sequential": onnxruntime.ExecutionMode.ORT_SEQUENTIAL,
    "parallel": onnxruntime.ExecutionMode.ORT_PARALLEL,
}
_PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_TENSORRT_OPTIONS = {
    "max_workspace_size_bytes": "trt_max_workspace_size",
    "int8_calibration_table_name": "trt_int8_calibration_table_name",
    "int8_use_native_calibration_table": "trt_int8_use_native_calibration_table",
}
"""Triton's own names of TensorRT parameters; the others are ONNX Runtime's."""

_SAME_AS_REQUESTED = 1

Provider = tuple[str, dict[str, str]]


def open_session(path: Path | bytes, settings: SessionSettings, kind: str, device: int) -> onnxruntime.InferenceSession:
    """Loads an ONNX file for one model instance.

    Args:
        path: The file, or its content.
        settings: From the model's configuration.
        kind: The instance's kind: ``GPU``, or anything else for the CPU.
        device: Index of the GPU.

    Raises:
        ConfigurationError: The kind or an accelerator is not available here.
        onnxruntime.capi.onnxruntime_pybind11_state.OnnxRuntimeException: ONNX Runtime cannot load the file.
    """
    providers = execution_providers(settings, kind, device, onnxruntime.get_available_providers())
    if kind == "GPU":
        # CUDA and cuDNN may come from NVIDIA's own wheels, which the dynamic linker does not search.
        onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(path, session_options(settings), providers=providers)
    # ONNX Runtime falls back to the CPU with no more than a warning; a model asked for on a GPU must run there.
    missing = [name for name, _ in providers if name not in session.get_providers()]
    if missing:
        raise ConfigurationError(f"ONNX Runtime could not start {', '.join(missing)} on device {device}")
    return session


def session_options(settings: SessionSettings) -> onnxruntime.SessionOptions:
    """The session options that ``settings`` describe."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = _LEVELS[settings.optimization]
    options.execution_mode = _MODES[settings.execution_mode]
    if settings.intra_op_thread_count > 0:
        options.intra_op_num_threads = settings.intra_op_thread_count
    if settings.inter_op_thread_count > 0:
        options.inter_op_num_threads = settings.inter_op_thread_count
    options.enable_cpu_mem_arena = settings.enable_mem_arena
    options.enable_mem_pattern = settings.enable_mem_pattern
    for name, value in settings.session_entries.items():
        options.add_session_config_entry(name, value)
    if settings.enable_mem_arena:
        # The session's own arena doubles at each extension and never shrinks. The shared one of this process (one
        # process per instance) grows by what is asked for.
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


def run_options(settings: SessionSettings) -> onnxruntime.RunOptions:
    """The options of each run that ``settings`` describe."""
    options = onnxruntime.RunOptions()
    if settings.arena_shrinkage:
        options.add_run_config_entry(ARENA_SHRINKAGE, settings.arena_shrinkage)
    return options


def register_cpu_arena() -> None:
    """Gives this process a CPU arena that extends by what is requested; call once, before any session."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"arena_extend_strategy": _SAME_AS_REQUESTED})
    onnxruntime.create_and_register_allocator(memory, arena)


def execution_providers(settings: SessionSettings, kind: str, device: int, available: list[str]) -> list[Provider]:
    """ONNX Runtime's execution providers for an instance, in order of preference.

    Args:
        settings: From the model's configuration.
        kind: ``GPU``, or anything else for the CPU.
        device: Index of the GPU.
        available: What this ONNX Runtime was built with.

    Raises:
        ConfigurationError: An unknown accelerator, or one this ONNX Runtime was built without, or a GPU instance
            without CUDA.
    """
    providers: list[Provider] = []
    if kind == "GPU":
        cuda_options: Mapping[str, str] = {}
        for accelerator in settings.gpu_accelerators:
            if accelerator.name == "tensorrt":
                providers.append(("TensorrtExecutionProvider", _tensorrt_options(accelerator, device)))
            elif accelerator.name == "cuda":
                cuda_options = accelerator.parameters
            else:
                raise ConfigurationError(f"unknown Execution Accelerator '{accelerator.name}' is requested")
        cuda = {"arena_extend_strategy": "kSameAsRequested"} | dict(cuda_options) | {"device_id": str(device)}
        providers.append(("CUDAExecutionProvider", cuda))
    else:
        for accelerator in settings.cpu_accelerators:
            if accelerator.name != "openvino":
                raise ConfigurationError(f"unknown Execution Accelerator '{accelerator.name}' is requested")
            providers.append(("OpenVINOExecutionProvider", dict(accelerator.parameters)))
    for name, _ in providers:
        if name not in available:
            raise ConfigurationError(
                f"a {kind} instance needs ONNX Runtime's {name}, which is not available here "
                "(onnxruntime-gpu and its CUDA libraries for KIND_GPU; KIND_CPU needs neither)"
            )
    return [*providers, ("CPUExecutionProvider", {})]


def _tensorrt_options(accelerator: Accelerator, device: int) -> dict[str, str]:
    options = {"device_id": str(device)}
    for name, value in accelerator.parameters.items():
        if name == "precision_mode":
            options |= _precision(value)
        elif name in _TENSORRT_OPTIONS or name.startswith("trt_"):
            options[_TENSORRT_OPTIONS.get(name, name)] = value
        else:
            raise ConfigurationError(f"unknown parameter '{name}' is provided for TensorRT Execution Accelerator")
    return options


def _precision(mode: str) -> dict[str, str]:
    precisions = {"FP32": {}, "FP16": {"trt_fp16_enable": "1"}, "INT8": {"trt_int8_enable": "1"}}
    if mode not in precisions:
        raise ConfigurationError(f"unsupported precision mode '{mode}' is requested")
    return precisions[mode]
