"""The proof's measurements find what they are there to find."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from facestats.holistic.provenance import NO_SCORE
from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.answers import Answers
from facestats_export.calibration import Calibration, measure_calibration
from facestats_export.errors import ExportError
from facestats_export.parity import (
    OnnxGraphs,
    batch_dependence,
    calibration_difference,
    preprocessing_difference,
    proving_calibration,
)

RANDOM = np.random.default_rng(0)


def answers(raw: np.ndarray, calibration: Calibration) -> Answers:
    embedding = np.linalg.qr(RANDOM.normal(size=(512, len(raw))))[0].T
    return Answers(embedding, raw, calibration.score(raw))


@pytest.fixture
def calibration() -> Calibration:
    return Calibration("test", "", 101, "a test", np.linspace(1, 2, 101))


def test_drift_is_judged_on_the_export_s_own_scale_where_it_shows(calibration: Calibration) -> None:
    assert proving_calibration(calibration, np.linspace(1.1, 1.9, 9)) is calibration


@pytest.mark.parametrize("raw", [np.linspace(0.3, 0.4, 9), np.linspace(1.5, 1.51, 9)], ids=["clamped", "all alike"])
def test_where_scores_do_not_differ_the_images_are_the_scale(raw: np.ndarray, calibration: Calibration) -> None:
    scale = proving_calibration(calibration, raw)
    assert scale.name == "parity images"
    assert np.ptp(scale.score(raw)) == pytest.approx(100, abs=0.01)


def test_images_that_cannot_be_told_apart_prove_nothing(calibration: Calibration) -> None:
    with pytest.raises(ExportError, match="no drift could show"):
        proving_calibration(calibration, np.full(9, 0.36))


def test_score_that_is_not_the_calibration_of_raw_is_found(calibration: Calibration) -> None:
    right = answers(np.linspace(1.1, 1.9, 9), calibration)
    assert calibration_difference(right, calibration) == 0
    wrong = Answers(right.embedding, right.raw, right.score + np.arange(9) * 0.1)
    assert calibration_difference(wrong, calibration) == pytest.approx(0.8)
    assert calibration_difference(right, None) == np.inf
    nothing = Answers(right.embedding, right.raw, np.full(9, NO_SCORE))
    assert calibration_difference(nothing, None) == 0
    assert calibration_difference(nothing, calibration) > 1


def graphs(*nodes: onnx.NodeProto, constants: dict[str, np.ndarray]) -> OnnxGraphs:
    """An encoder of [N, 8] bytes to [N, 1], and a regressor that hands it on."""
    value = helper.make_tensor_value_info
    encoder = helper.make_graph(
        [helper.make_node("Cast", ["PIXELS"], ["x"], to=TensorProto.FLOAT), *nodes],
        "encoder",
        [value("PIXELS", TensorProto.UINT8, ["N", 8])],
        [value("EMBEDDING", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    regressor = helper.make_graph(
        [helper.make_node("Identity", ["EMBEDDING"], [name]) for name in ("RAW", "SCORE")],
        "regressor",
        [value("EMBEDDING", TensorProto.FLOAT, ["N", 1])],
        [value(name, TensorProto.FLOAT, ["N", 1]) for name in ("RAW", "SCORE")],
    )
    models = (
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        for graph in (encoder, regressor)
    )
    first, second = (model.SerializeToString() for model in models)
    return OnnxGraphs(first, second)


def mean_of_image() -> onnx.NodeProto:
    return helper.make_node("ReduceMean", ["x", "one"], ["EMBEDDING"], keepdims=1)


@pytest.fixture
def bytes_of_images() -> np.ndarray:
    return RANDOM.integers(0, 256, (20, 8), dtype=np.uint8)


def test_independent_images_do_not_depend_on_their_batch(bytes_of_images: np.ndarray) -> None:
    engine = graphs(mean_of_image(), constants={"one": np.array([1], np.int64)})
    scale = measure_calibration("test", "", "a test", engine.run(bytes_of_images).raw)
    assert batch_dependence(engine, bytes_of_images, scale) < 1e-4


def test_a_scale_over_the_batch_is_found(bytes_of_images: np.ndarray) -> None:
    engine = graphs(
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=1),
        helper.make_node("Div", ["x", "largest"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "one"], ["EMBEDDING"], keepdims=1),
        constants={"one": np.array([1], np.int64)},
    )
    scale = measure_calibration("test", "", "a test", engine.run(bytes_of_images).raw)
    assert batch_dependence(engine, bytes_of_images, scale) > 0.05


@pytest.mark.parametrize("place", [0, 5, 16])
def test_a_single_wrong_place_in_the_batch_is_found(place: int, bytes_of_images: np.ndarray) -> None:
    """The image at one place is answered wrongly, wherever that place is."""
    engine = graphs(
        helper.make_node("ReduceMean", ["x", "one"], ["mean"], keepdims=1),
        helper.make_node("Shape", ["mean"], ["shape"], start=0, end=1),
        helper.make_node("Concat", ["shape", "one"], ["column"], axis=0),
        helper.make_node("Expand", ["flag", "column"], ["zeros"]),
        helper.make_node("CumSum", ["zeros", "zero"], ["number"]),
        helper.make_node("Equal", ["number", "place"], ["hit"]),
        helper.make_node("Cast", ["hit"], ["error"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["mean", "error"], ["EMBEDDING"]),
        constants={
            "one": np.array([1], np.int64),
            "zero": np.array(0, np.int64),
            "flag": np.array([[1]], np.float32),
            "place": np.array([[place + 1]], np.float32),
        },
    )
    scale = measure_calibration("test", "", "a test", engine.run(bytes_of_images).raw)
    # At place 0 the image alone is wrong too, but not the others.
    assert batch_dependence(engine, bytes_of_images, scale) > 0.05


@pytest.mark.parametrize("size", [(224, 224), (300, 200), (641, 1000), (32, 47), (225, 224), (1000, 333)])
def test_our_pixels_are_clip_s_own(size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8)).save(buffer, "PNG")
    pixels = clip_pixels(decode_image(buffer.getvalue()))[np.newaxis].copy()
    assert preprocessing_difference([buffer.getvalue()], pixels) == 0
    pixels[0, 100, 100, 1] ^= 8
    assert preprocessing_difference([buffer.getvalue()], pixels) == 8
