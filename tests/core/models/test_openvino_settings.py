from __future__ import annotations

from typing import Any

import pytest

from facestats.models.openvino_settings import OpenVinoSettings, read_openvino_settings
from facestats.models.parameters import ConfigurationError


def config(parameters: dict[str, str], batch: int = 0) -> dict[str, Any]:
    values = {name: {"string_value": value} for name, value in parameters.items()}
    return {"name": "m", "max_batch_size": batch, "parameters": values}


def test_nothing_written_leaves_everything_to_openvino() -> None:
    assert read_openvino_settings({"name": "m"}) == OpenVinoSettings()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"HINT_BF16": "YES"}, OpenVinoSettings(precision="bf16")),
        ({"HINT_BF16": "yes"}, OpenVinoSettings(precision="bf16")),
        ({"INFERENCE_PRECISION_HINT": "f32"}, OpenVinoSettings(precision="f32")),
        ({"INFERENCE_PRECISION_HINT": "BF16"}, OpenVinoSettings(precision="bf16")),
        ({"INFERENCE_NUM_THREADS": "4", "NUM_STREAMS": "2"}, OpenVinoSettings(threads=4, streams=2)),
        ({"NUM_STREAMS": "AUTO"}, OpenVinoSettings()),
        ({"NUM_STREAMS": "numa"}, OpenVinoSettings()),
        ({"PERFORMANCE_HINT": "throughput"}, OpenVinoSettings(performance_hint="THROUGHPUT")),
        ({"COMPILATION_NUM_THREADS": "1", "no_such_key": "whatever"}, OpenVinoSettings()),
    ],
)
def test_parameters_are_read(parameters: dict[str, str], expected: OpenVinoSettings) -> None:
    assert read_openvino_settings(config(parameters)) == expected


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"HINT_BF16": "NO"}, "'HINT_BF16' is 'NO', expected YES"),
        ({"INFERENCE_PRECISION_HINT": "f16"}, "'INFERENCE_PRECISION_HINT' is 'f16', expected f32 or bf16"),
        ({"INFERENCE_PRECISION_HINT": "f32", "HINT_BF16": "YES"}, "no other precision than HINT_BF16's"),
        ({"INFERENCE_NUM_THREADS": "-1"}, "'INFERENCE_NUM_THREADS' is '-1', expected a non-negative number"),
        ({"INFERENCE_NUM_THREADS": "two"}, "expected a non-negative number"),
        ({"COMPILATION_NUM_THREADS": "1.5"}, "expected a non-negative number"),
        ({"NUM_STREAMS": "many"}, "'NUM_STREAMS' is 'many', expected a non-negative number"),
        ({"PERFORMANCE_HINT": "FAST"}, "'PERFORMANCE_HINT' is 'FAST', expected one of LATENCY"),
    ],
)
def test_other_values_are_refused(parameters: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_openvino_settings(config(parameters))


def test_batches_need_padding_as_the_native_backend_does() -> None:
    with pytest.raises(ConfigurationError, match="ENABLE_BATCH_PADDING' is 'YES'"):
        read_openvino_settings(config({}, batch=8))
    assert read_openvino_settings(config({"ENABLE_BATCH_PADDING": "YES"}, batch=8)) == OpenVinoSettings()
    assert read_openvino_settings(config({}, batch=1)) == OpenVinoSettings()


@pytest.mark.parametrize(
    ("settings", "cores", "threads"),
    [
        (OpenVinoSettings(), 6, 6),
        (OpenVinoSettings(threads=4), 6, 4),
        (OpenVinoSettings(threads=4, streams=2), 6, 2),
        (OpenVinoSettings(streams=3), 6, 2),
        (OpenVinoSettings(threads=2, streams=4), 6, 1),
    ],
)
def test_streams_share_the_threads(settings: OpenVinoSettings, cores: int, threads: int) -> None:
    assert settings.threads_of_a_stream(cores) == threads
