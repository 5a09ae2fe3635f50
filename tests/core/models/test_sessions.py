from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from facestats.models.parameters import ConfigurationError
from facestats.models.session_settings import Accelerator, SessionSettings
from facestats.models.sessions import (
    execution_providers,
    open_session,
    run_options,
    session_options,
)
from facestats_local_triton.backends.onnxruntime.graph import graph_tensors
from facestats_local_triton.backends.tensors import GraphTensor
from tests.local_triton.tiny_models import save_scale

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


def test_options_carry_the_settings() -> None:
    options = session_options(
        SessionSettings(
            intra_op_thread_count=3,
            inter_op_thread_count=2,
            execution_mode="parallel",
            enable_mem_arena=False,
            enable_mem_pattern=False,
            optimization="extended",
            session_entries={"session.intra_op.allow_spinning": "0"},
        )
    )
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 2)
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_PARALLEL
    assert not options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_cpu_instances_run_on_the_cpu_and_ignore_gpu_accelerators() -> None:
    settings = SessionSettings(gpu_accelerators=(Accelerator("tensorrt"),))
    assert execution_providers(settings, "CPU", 0, [CPU]) == [(CPU, {})]


def test_a_gpu_instance_without_a_gpu_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a GPU instance needs ONNX Runtime's CUDAExecutionProvider"):
        execution_providers(SessionSettings(), "GPU", 0, [CPU])


def test_gpu_accelerators_come_first_with_their_options() -> None:
    settings = SessionSettings(
        gpu_accelerators=(
            Accelerator("tensorrt", {"precision_mode": "FP16", "max_workspace_size_bytes": "7", "trt_x": "y"}),
            Accelerator("cuda", {"gpu_mem_limit": "9"}),
        )
    )
    assert execution_providers(settings, "GPU", 1, [TENSORRT, CUDA, CPU]) == [
        (TENSORRT, {"device_id": "1", "trt_fp16_enable": "1", "trt_max_workspace_size": "7", "trt_x": "y"}),
        (CUDA, {"arena_extend_strategy": "kSameAsRequested", "gpu_mem_limit": "9", "device_id": "1"}),
        (CPU, {}),
    ]


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        (SessionSettings(gpu_accelerators=(Accelerator("magic"),)), "GPU", "unknown Execution Accelerator 'magic'"),
        (SessionSettings(cpu_accelerators=(Accelerator("magic"),)), "CPU", "unknown Execution Accelerator 'magic'"),
        (
            SessionSettings(cpu_accelerators=(Accelerator("openvino"),)),
            "CPU",
            "OpenVINOExecutionProvider, which is not",
        ),
        (
            SessionSettings(gpu_accelerators=(Accelerator("tensorrt", {"precision_mode": "FP4"}),)),
            "GPU",
            "unsupported precision mode 'FP4'",
        ),
        (
            SessionSettings(gpu_accelerators=(Accelerator("tensorrt", {"speed": "high"}),)),
            "GPU",
            "unknown parameter 'speed' is provided for TensorRT",
        ),
    ],
)
def test_unknown_or_absent_accelerators_are_refused(settings: SessionSettings, kind: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        execution_providers(settings, kind, 0, [TENSORRT, CUDA, CPU])


def test_session_runs_and_tells_its_tensors(tmp_path: Path) -> None:
    save_scale(tmp_path / "model.onnx", factor=3.0)
    session = open_session(tmp_path / "model.onnx", SessionSettings(enable_mem_arena=False), "CPU", 0)
    assert graph_tensors(session.get_inputs()) == [GraphTensor("X", "TYPE_FP32", (-1, 2))]
    (result,) = session.run(["Y"], {"X": np.array([[1, 2], [3, 4]], np.float32)})
    np.testing.assert_array_equal(result, [[3, 6], [9, 12]])


def test_an_arena_can_be_told_to_shrink(tmp_path: Path) -> None:
    save_scale(tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx", SessionSettings(enable_mem_arena=False), "CPU", 0)
    values = {"X": np.array([[1, 2]], np.float32)}
    np.testing.assert_array_equal(session.run(["Y"], values, run_options(SessionSettings()))[0], [[2, 4]])
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="arena shrink list: gpu:0"):
        session.run(["Y"], values, run_options(SessionSettings(arena_shrinkage="gpu:0")))
