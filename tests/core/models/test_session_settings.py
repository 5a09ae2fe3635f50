from __future__ import annotations

from typing import Any

import pytest

from facestats.models.parameters import ConfigurationError
from facestats.models.session_settings import Accelerator, SessionSettings, read_session_settings


def config(parameters: dict[str, str] | None = None, **entries: Any) -> dict[str, Any]:
    values = {name: {"string_value": value} for name, value in (parameters or {}).items()}
    return {"name": "m", "parameters": values, **entries}


def test_nothing_written_means_onnx_runtime_s_defaults() -> None:
    assert read_session_settings({"name": "m"}) == SessionSettings()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("intra_op_thread_count", "3", 3),
        ("intra_op_thread_count", "0", 0),
        ("intra_op_thread_count", "-1", 0),
        ("inter_op_thread_count", "2", 2),
        ("execution_mode", "0", "sequential"),
        ("execution_mode", "1", "parallel"),
        ("enable_mem_arena", "0", False),
        ("enable_mem_arena", "1", True),
        ("enable_mem_arena", "False", False),
        ("enable_mem_pattern", "false", False),
        ("enable_mem_pattern", "TRUE", True),
        ("enable_mem_pattern", "off", False),
        ("enable_mem_pattern", "On", True),
    ],
)
def test_parameter_is_read(name: str, value: str, expected: object) -> None:
    assert getattr(read_session_settings(config({name: value})), name) == expected


@pytest.mark.parametrize("name", ["intra_op_thread_count", "inter_op_thread_count", "execution_mode"])
@pytest.mark.parametrize("value", ["", "two", "1.5", "2 threads", "true", "99999999999"])
def test_anything_but_an_integer_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"model 'm', parameter '{name}' is '{value}', expected an integer"):
        read_session_settings(config({name: value}))


@pytest.mark.parametrize("value", ["2", "-1"])
def test_execution_mode_is_zero_or_one(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"expected 0 \(sequential\) or 1 \(parallel\)"):
        read_session_settings(config({"execution_mode": value}))


@pytest.mark.parametrize("name", ["enable_mem_arena", "enable_mem_pattern", "share_session_between_instances"])
@pytest.mark.parametrize("value", ["", "yes", "2", "on "])
def test_anything_but_a_boolean_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"parameter '{name}' is '{value}', expected a boolean"):
        read_session_settings(config({name: value}))


@pytest.mark.parametrize(("level", "expected"), [(-1, "basic"), (1, "extended"), (2, "off"), (0, "all"), (7, "all")])
def test_optimization_level(level: int, expected: str) -> None:
    # Triton's JSON has 32-bit integers as numbers and 64-bit ones as strings.
    for written in (level, str(level)):
        settings = read_session_settings(config(optimization={"graph": {"level": written}}))
        assert settings.optimization == expected


def test_session_entries_are_kept_and_unknown_parameters_ignored() -> None:
    settings = read_session_settings(config({"session.intra_op.allow_spinning": "0", "colour": "green"}))
    assert settings == SessionSettings(session_entries={"session.intra_op.allow_spinning": "0"})


def test_arenas_that_shrink_are_read() -> None:
    shrinking = config({"memory.enable_memory_arena_shrinkage": "cpu:0;gpu:1"})
    assert read_session_settings(shrinking).arena_shrinkage == "cpu:0;gpu:1"


def test_accelerators_are_read_in_order() -> None:
    accelerators = {
        "gpu_execution_accelerator": [{"name": "tensorrt", "parameters": {"precision_mode": "FP16"}}, {"name": "cuda"}],
        "cpu_execution_accelerator": [{"name": "openvino"}],
    }
    settings = read_session_settings(config(optimization={"execution_accelerators": accelerators}))
    assert settings.gpu_accelerators == (Accelerator("tensorrt", {"precision_mode": "FP16"}), Accelerator("cuda"))
    assert settings.cpu_accelerators == (Accelerator("openvino"),)
