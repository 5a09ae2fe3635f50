"""The stand-in ``onnxruntime`` backend inside the real tritonserver: what it serves and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from facestats_local_triton.server import TritonPorts, TritonServer
from tests.local_triton.tiny_models import add_scale_model, save_echo, save_pick, save_scale, scale_config
from tests.local_triton.triton_client import LogWatch, infer, model_states, scale, statistics

pytestmark = pytest.mark.integration

WAIT_FOR_FOUR = "dynamic_batching { preferred_batch_size: [ 4 ], max_queue_delay_microseconds: 10000000 }"


def parameters(**values: str) -> str:
    return "\n".join(
        f'parameters {{ key: "{name}", value: {{ string_value: "{value}" }} }}' for name, value in values.items()
    )


SHRINKS_ELSEWHERE = parameters(**{"memory.enable_memory_arena_shrinkage": "gpu:0"})

SERVED = {
    "scale": "",
    "threads": parameters(intra_op_thread_count="1", inter_op_thread_count="2", execution_mode="1"),
    "memory": parameters(enable_mem_arena="0", enable_mem_pattern="false"),
    "shrinking": parameters(**{"memory.enable_memory_arena_shrinkage": "cpu:0"}),
    "unoptimised": "optimization { graph { level: 2 } }",
    "ignored": parameters(**{"no_such_key": "whatever", "session.intra_op.allow_spinning": "0"}),
}
REFUSED = {
    "bad_integer": (parameters(intra_op_thread_count="two"), "'intra_op_thread_count' is 'two', expected an integer"),
    "bad_boolean": (parameters(enable_mem_arena="maybe"), "'enable_mem_arena' is 'maybe', expected a boolean"),
    "bad_mode": (parameters(execution_mode="2"), "'execution_mode' is '2', expected 0 (sequential) or 1"),
    "no_file": ('default_model_filename: "absent.onnx"', "unable to find"),
    "no_openvino": (
        'optimization { execution_accelerators { cpu_execution_accelerator [ { name: "openvino" } ] } }',
        "OpenVINOExecutionProvider, which is not available here",
    ),
}
REWRITTEN = {
    "wrong_name": ('name: "Y"', 'name: "Z"', "unexpected inference output 'Z', allowed outputs are: Y"),
    "wrong_type": (
        '"X", data_type: TYPE_FP32',
        '"X", data_type: TYPE_INT32',
        "configuration expects datatype TYPE_INT32",
    ),
    "wrong_dims": ("dims: [ 2 ]", "dims: [ 3 ]", "the model expects shape [-1,2] but"),
    "optional": ("dims: [ 2 ] } ]\noutput", "dims: [ 2 ], optional: true } ]\noutput", "optional input 'X' is not"),
    "ragged": (
        "dims: [ 2 ] } ]\noutput",
        "dims: [ -1 ], allow_ragged_batch: true } ]\noutput",
        "shape [-1] for ragged input 'X', model provides [-1,2]",
    ),
    "batch_output": (
        "output [",
        'batch_output [ { target_name: "Y", kind: BATCH_SCATTER_WITH_INPUT_SHAPE, source_input: "X" } ]\noutput [',
        "'batch_output' is not supported by the container-free backend",
    ),
    "one_too_many": (
        "output [",
        'input [ { name: "W", data_type: TYPE_FP32, dims: [ 2 ] } ]\noutput [',
        "expects 2 inputs",
    ),
    "on_gpu": ("KIND_CPU", "KIND_GPU", "GPU"),
}


def write_repository(repository: Path) -> None:
    for name, extra in SERVED.items():
        add_scale_model(repository, name, scale_config(name, extra))
    for name, (extra, _) in REFUSED.items():
        add_scale_model(repository, name, scale_config(name, extra))
    for name, (written, instead, _) in REWRITTEN.items():
        add_scale_model(repository, name, scale_config(name).replace(written, instead))
    add_scale_model(repository, "fixed_batch")
    save_scale(repository / "fixed_batch" / "1" / "model.onnx", batch=1)
    add_scale_model(repository, "shrinks_elsewhere", scale_config("shrinks_elsewhere", SHRINKS_ELSEWHERE))
    add_scale_model(repository, "promised", scale_config("promised", batch=0).replace("dims: [ 2 ]", "dims: [ 3, 2 ]"))
    add_scale_model(repository, "batched", scale_config("batched", WAIT_FOR_FOUR))
    add_scale_model(repository, "two", scale_config("two", instances="kind: KIND_CPU, count: 2"))
    whole = scale_config("whole", batch=0).replace("dims: [ 2 ]", "dims: [ 3, 2 ]", 1)
    add_scale_model(repository, "whole", whole.replace("dims: [ 2 ]", "dims: [ -1, 2 ]"))
    add_scale_model(repository, "renamed", scale_config("renamed", 'default_model_filename: "other.onnx"'))
    (repository / "renamed" / "1" / "model.onnx").rename(repository / "renamed" / "1" / "other.onnx")
    for name, save, data_type in (("pick", save_pick, "TYPE_INT64"), ("echo", save_echo, "TYPE_STRING")):
        save(repository / name / "1" / "model.onnx")
        config = scale_config(name, WAIT_FOR_FOUR if name == "pick" else "").replace("dims: [ 2 ]", "dims: [ 1 ]")
        config = config.replace("TYPE_FP32", data_type, 2 if name == "echo" else 1)
        (repository / name / "config.pbtxt").write_text(config)


@pytest.fixture(scope="module")
def log() -> LogWatch:
    return LogWatch()


@pytest.fixture(scope="module")
def ports(log: LogWatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonPorts]:
    repository = tmp_path_factory.mktemp("repository")
    write_repository(repository)
    # What is refused here keeps a strictly ready server from being ready.
    server_args = ["--strict-readiness=false", "--exit-on-error=false"]
    server = TritonServer(
        repository,
        TritonPorts.free(),
        poll_seconds=None,
        open_apis=["model-repository"],
        extra_args=server_args,
        log=log,
    )
    with server:
        server.wait_ready(60)
        yield server.ports


@pytest.mark.parametrize("model", [*SERVED, "renamed", "two"])
def test_configuration_is_served(model: str, ports: TritonPorts) -> None:
    assert scale(ports, model) == [2, 4]


@pytest.mark.parametrize("model", [*REFUSED, *REWRITTEN, "fixed_batch", "promised"])
def test_configuration_is_refused_with_its_reason(model: str, ports: TritonPorts) -> None:
    reasons = {name: message for name, (_, message) in REFUSED.items()}
    reasons |= {name: message for name, (*_, message) in REWRITTEN.items()}
    reasons["fixed_batch"] = "max_batch_size 8 needs a symbolic first dimension, the model's shape is [1,2]"
    # Native as well: how many rows come out is not known before the graph has run.
    reasons["promised"] = "output 'Y': the model expects shape [-1,2] but the configuration specifies [3,2]"
    state = model_states(ports)[model]
    assert state.startswith("UNAVAILABLE")
    assert reasons[model] in state


def test_instances_are_as_many_and_of_the_kind_configured(log: LogWatch, ports: TritonPorts) -> None:
    started = log.matching("TRITONBACKEND_ModelInstanceInitialize: two_")
    assert sorted(line.partition("Initialize: ")[2].rstrip('"') for line in started) == [
        "two_0_0 (CPU device 0)",
        "two_0_1 (CPU device 0)",
    ]


def test_a_model_without_batches_takes_the_whole_shape(ports: TritonPorts) -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(infer(ports, "whole", {"X": values})["Y"], 2 * values)


def test_strings_pass_unchanged(ports: TritonPorts) -> None:
    words = np.array([["vermilion"], ["größer"]], dtype=np.object_)
    answer = infer(ports, "echo", {"X": words})["Y"]
    assert [word.decode() for word in answer[:, 0]] == ["vermilion", "größer"]


def test_bytes_that_are_no_text_are_the_caller_s_fault(ports: TritonPorts) -> None:
    with pytest.raises(InferenceServerException, match="element of input 'X' is not UTF-8") as refused:
        infer(ports, "echo", {"X": np.array([["fine"], [b"\xff\xfe"]], np.object_)})
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_arenas_shrink_where_the_configuration_says(ports: TritonPorts) -> None:
    with pytest.raises(InferenceServerException, match="arena shrink list: gpu:0"):
        scale(ports, "shrinks_elsewhere")


def test_concurrent_requests_run_as_one_batch_and_get_their_own_answers(ports: TritonPorts) -> None:
    # 1 + 1 + 2 items make the preferred batch of four; nothing runs before they are together.
    inputs = [np.full((size, 2), value, np.float32) for value, size in ((1, 1), (10, 1), (100, 2))]
    with ThreadPoolExecutor(len(inputs)) as threads:
        answers = list(threads.map(lambda values: infer(ports, "batched", {"X": values})["Y"], inputs))
    for values, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(answer, 2 * values)
    counted = statistics(ports, "batched")
    assert (counted["inference_count"], counted["execution_count"]) == (4, 1)


def test_a_request_that_fails_fails_alone_in_its_batch(log: LogWatch, ports: TritonPorts) -> None:
    def pick(number: int) -> float | str:
        try:
            return float(infer(ports, "pick", {"X": np.array([[number]], np.int64)})["Y"][0, 0])
        except InferenceServerException as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        first, bad, last, middle = threads.map(pick, [0, 7, 2, 1])
    assert (first, last, middle) == (10, 12, 11)
    assert "onnx runtime error" in str(bad)
    log.wait_for("a batch of 4 requests failed, running each alone")
