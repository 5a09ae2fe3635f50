"""The stand-in ``openvino`` backend inside the real tritonserver: what it serves and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facestats.models.openvino_sessions import has_bf16_units
from facestats_local_triton.server import TritonPorts, TritonServer
from tests.local_triton.test_backend import WAIT_FOR_FOUR, parameters
from tests.local_triton.tiny_models import add_scale_model, scale_config
from tests.local_triton.triton_client import LogWatch, infer, model_states, scale, statistics

pytestmark = pytest.mark.integration

PADDED = parameters(ENABLE_BATCH_PADDING="YES")


def openvino_config(name: str, extra: str = PADDED, **others: object) -> str:
    config = scale_config(name, extra, **others)  # type: ignore[arg-type]
    return config.replace('"onnxruntime"', '"openvino"\ndefault_model_filename: "model.onnx"')


SERVED = {
    "scale": PADDED,
    "f32": PADDED + parameters(INFERENCE_PRECISION_HINT="f32"),
    "bf16": PADDED + parameters(HINT_BF16="YES"),
    "threads": PADDED + parameters(INFERENCE_NUM_THREADS="2", NUM_STREAMS="2", PERFORMANCE_HINT="THROUGHPUT"),
    "ignored": PADDED + parameters(no_such_key="whatever", NUM_STREAMS="AUTO"),
}
REFUSED = {
    "unpadded": (openvino_config("unpadded", ""), "ENABLE_BATCH_PADDING' is 'YES'"),
    "bad_hint": (
        openvino_config("bad_hint", PADDED + parameters(HINT_BF16="NO")),
        "'HINT_BF16' is 'NO', expected YES",
    ),
    "bad_threads": (
        openvino_config("bad_threads", PADDED + parameters(INFERENCE_NUM_THREADS="two")),
        "expected a non-negative number",
    ),
    "wrong_type": (
        openvino_config("wrong_type").replace("TYPE_FP32", "TYPE_INT32", 1),
        "expects datatype TYPE_INT32 for input 'X', model provides TYPE_FP32",
    ),
    "wrong_dims": (
        openvino_config("wrong_dims").replace("dims: [ 2 ]", "dims: [ 3 ]", 1),
        "the model expects shape [-1,2] but",
    ),
    "no_file": (openvino_config("no_file").replace("model.onnx", "absent.xml"), "unable to find"),
    "default_file": (openvino_config("default_file").replace('"model.onnx"', '""'), "model.xml' for model"),
    "on_gpu": (openvino_config("on_gpu", instances="kind: KIND_GPU, count: 1"), "GPU"),
}


@pytest.fixture(scope="module")
def log() -> LogWatch:
    return LogWatch()


@pytest.fixture(scope="module")
def ports(log: LogWatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonPorts]:
    repository = tmp_path_factory.mktemp("repository")
    for name, extra in SERVED.items():
        add_scale_model(repository, name, openvino_config(name, extra))
    for name, (config, _) in REFUSED.items():
        add_scale_model(repository, name, config)
    add_scale_model(repository, "batched", openvino_config("batched", WAIT_FOR_FOUR + PADDED))
    add_scale_model(repository, "two", openvino_config("two", instances="kind: KIND_CPU, count: 2"))
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


@pytest.mark.parametrize("model", [*SERVED, "two"])
def test_configuration_is_served(model: str, ports: TritonPorts) -> None:
    assert scale(ports, model) == [2, 4]


@pytest.mark.parametrize("model", [*REFUSED])
def test_configuration_is_refused_with_its_reason(model: str, ports: TritonPorts) -> None:
    state = model_states(ports)[model]
    assert state.startswith("UNAVAILABLE")
    assert REFUSED[model][1] in state


def test_instances_are_as_many_as_configured(log: LogWatch, ports: TritonPorts) -> None:
    assert len(log.matching("TRITONBACKEND_ModelInstanceInitialize: two_")) == 2


def test_concurrent_requests_run_as_one_batch_and_get_their_own_answers(ports: TritonPorts) -> None:
    inputs = [np.full((size, 2), value, np.float32) for value, size in ((1, 1), (10, 1), (100, 2))]
    with ThreadPoolExecutor(len(inputs)) as threads:
        answers = list(threads.map(lambda values: infer(ports, "batched", {"X": values})["Y"], inputs))
    for values, answer in zip(inputs, answers, strict=True):
        np.testing.assert_array_equal(answer, 2 * values)
    counted = statistics(ports, "batched")
    assert (counted["inference_count"], counted["execution_count"]) == (4, 1)


def test_a_processor_without_bf16_units_says_so(log: LogWatch, ports: TritonPorts) -> None:
    said = log.matching("model 'bf16' asks for bf16, which this processor has no units for")
    assert bool(said) != has_bf16_units()
