from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from onnx import TensorProto, helper

from facestats.models.openvino_sessions import OpenVinoSession, has_bf16_units
from facestats.models.openvino_settings import OpenVinoSettings
from facestats_local_triton.backends.openvino.graph import graph_tensors
from facestats_local_triton.backends.tensors import GraphTensor
from tests.local_triton.tiny_models import save_graph, save_scale


def save_product(path: Path) -> None:
    """X [N, 64] float -> Y = X times a matrix whose entries bf16 does not hold."""
    save_graph(
        path,
        [helper.make_node("MatMul", ["X", "weight"], ["Y"])],
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["N", 64])],
        {"weight": np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)},
    )


@pytest.mark.parametrize("content", [False, True], ids=["file", "bytes"])
def test_a_session_runs_and_tells_its_tensors(content: bool, tmp_path: Path) -> None:
    save_scale(tmp_path / "model.onnx", factor=3.0)
    model = (tmp_path / "model.onnx").read_bytes() if content else tmp_path / "model.onnx"
    session = OpenVinoSession(model, OpenVinoSettings())
    assert graph_tensors(session.inputs) == [GraphTensor("X", "TYPE_FP32", (-1, 2))]
    assert graph_tensors(session.outputs) == [GraphTensor("Y", "TYPE_FP32", (-1, 2))]
    for rows in (2, 1, 3):
        values = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
        np.testing.assert_array_equal(session.run(["Y"], {"X": values})[0], 3 * values)


def test_answers_stay_when_the_next_is_computed(tmp_path: Path) -> None:
    save_scale(tmp_path / "model.onnx")
    session = OpenVinoSession(tmp_path / "model.onnx", OpenVinoSettings())
    first = session.run(["Y"], {"X": np.ones((1, 2), np.float32)})[0]
    session.run(["Y"], {"X": np.zeros((1, 2), np.float32)})
    np.testing.assert_array_equal(first, [[2, 2]])


def test_precision_is_the_one_asked_for(tmp_path: Path) -> None:
    save_product(tmp_path / "model.onnx")
    values = np.random.default_rng(1).normal(size=(8, 64)).astype(np.float32)
    exact = values.astype(np.float64) @ np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)

    def error(settings: OpenVinoSettings) -> float:
        (answer,) = OpenVinoSession(tmp_path / "model.onnx", settings).run(["Y"], {"X": values})
        return float(np.abs(answer - exact).max())

    assert error(OpenVinoSettings(precision="f32")) < 1e-4
    assert (error(OpenVinoSettings(precision="bf16")) > 1e-3) == has_bf16_units()


def test_several_threads_may_run_it(tmp_path: Path) -> None:
    save_product(tmp_path / "model.onnx")
    session = OpenVinoSession(tmp_path / "model.onnx", OpenVinoSettings(precision="f32", threads=1), streams=2)
    batches = [np.random.default_rng(seed).normal(size=(16, 64)).astype(np.float32) for seed in range(2)]
    alone = [session.run(["Y"], {"X": batch})[0] for batch in batches]
    together = Barrier(2)

    def run(index: int) -> bool:
        together.wait()
        return all(np.array_equal(session.run(["Y"], {"X": batches[index]})[0], alone[index]) for _ in range(200))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(run, range(2)))


def test_a_processor_without_bf16_units_runs_f32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_scale(tmp_path / "model.onnx")
    monkeypatch.setattr("facestats.models.openvino_sessions.has_bf16_units", lambda: False)
    assert OpenVinoSession(tmp_path / "model.onnx", OpenVinoSettings(precision="bf16")).precision == "f32"
