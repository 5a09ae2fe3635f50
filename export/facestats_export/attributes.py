"""Opt-in attribute heads: scikit-learn classifiers over CLIP's embedding, as ONNX with the service's tensor names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from facestats.models.repository import ATTRIBUTE_PREFIX
from facestats_export.clip import EMBEDDING_SIZE
from facestats_export.errors import ExportError
from facestats_export.estimators import load_estimator
from facestats_export.graph import OPSET

PROBABILITY_LIMIT = 1e-4
"""Largest allowed difference of a class probability from scikit-learn's."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,31}")


@dataclass(frozen=True)
class AttributeHead:
    """A classifier that is served beside the score.

    Attributes:
        name: Upper-case name; its tensors are ``<NAME>_LABEL`` and ``<NAME>_PROBABILITY``.
        classes: Labels in the order of the probabilities.
        estimator: The scikit-learn classifier or pipeline.
        graph: Its ONNX graph, EMBEDDING to label and probabilities.
        sha256: Hash of its file, hex.
    """

    name: str
    classes: tuple[str, ...]
    estimator: Any
    graph: bytes
    sha256: str

    @property
    def model(self) -> str:
        """Name of its Triton model."""
        return ATTRIBUTE_PREFIX + self.name.lower()

    @property
    def label_tensor(self) -> str:
        """Name of the label's tensor, STRING [1]."""
        return f"{self.name}_LABEL"

    @property
    def probability_tensor(self) -> str:
        """Name of the class probabilities' tensor, FP32 [classes]."""
        return f"{self.name}_PROBABILITY"


def load_head(name: str, path: Path, *, trust_pickle: bool) -> AttributeHead:
    """Converts a scikit-learn classifier to an attribute head.

    Args:
        name: The head's name; letters, digits and underscores.
        path: A ``skops`` file, or a pickle.
        trust_pickle: Whether the file may be unpickled, which runs the code in it.

    Raises:
        ExportError: The file is refused, is no classifier of 512 numbers, or cannot be converted.
    """
    upper = name.upper()
    if not _NAME.fullmatch(upper):
        raise ExportError(f"'{name}' is no name for an attribute; use letters, digits and underscores.")
    estimator, sha256 = load_estimator(path, trust_pickle=trust_pickle)
    if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "classes_"):
        raise ExportError(f"'{path}' holds a {type(estimator).__name__}, not a classifier with probabilities.")
    if getattr(estimator, "n_features_in_", EMBEDDING_SIZE) != EMBEDDING_SIZE:
        raise ExportError(f"the classifier '{path}' takes {estimator.n_features_in_} numbers, not {EMBEDDING_SIZE}.")
    classes = tuple(str(label) for label in estimator.classes_)
    graph = _service_graph(_convert(estimator, path), f"{upper}_LABEL", f"{upper}_PROBABILITY", len(classes))
    return AttributeHead(upper, classes, estimator, graph.SerializeToString(deterministic=True), sha256)


def check_head(head: AttributeHead, embeddings: NDArray[np.float32]) -> float:
    """Compares a head's ONNX graph with scikit-learn.

    Args:
        head: The head.
        embeddings: [N, 512].

    Returns:
        Largest difference of a probability.

    Raises:
        ExportError: Probabilities differ by more than ``PROBABILITY_LIMIT``, or a label that is no near-tie differs.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(head.graph, providers=["CPUExecutionProvider"])
    labels, probabilities = session.run([head.label_tensor, head.probability_tensor], {"EMBEDDING": embeddings})
    expected = head.estimator.predict_proba(embeddings.astype(np.float64))
    worst = float(np.abs(probabilities - expected).max())
    top = np.sort(expected, axis=1)
    clear = top[:, -1] - top[:, -2] > 2 * PROBABILITY_LIMIT
    same = labels[:, 0] == np.array(head.classes)[expected.argmax(1)]
    if not worst <= PROBABILITY_LIMIT or not same[clear].all():
        raise ExportError(
            f"the attribute {head.name} in ONNX differs from scikit-learn by {worst:.2e} in probability "
            f"(limit {PROBABILITY_LIMIT:g}); nothing was published."
        )
    return worst


def _convert(estimator: Any, path: Path) -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    try:
        converted: onnx.ModelProto = convert_sklearn(
            estimator,
            name="attribute",
            initial_types=[("EMBEDDING", FloatTensorType([None, EMBEDDING_SIZE]))],
            options={id(estimator): {"zipmap": False}},
            target_opset={"": OPSET, "ai.onnx.ml": 3},
        )
    except (MissingConverter, MissingShapeCalculator, RuntimeError, ValueError, NotImplementedError) as error:
        raise ExportError(f"the classifier '{path}' cannot be converted: {str(error).splitlines()[0]}") from error
    return converted


def _service_graph(converted: onnx.ModelProto, label: str, probability: str, classes: int) -> onnx.ModelProto:
    """Adds what the service needs: labels as text of shape [N, 1]; no label and -1 for an image that was not decoded.

    Its embedding is -1 throughout, with the sum -512; that of a unit vector is above -23.
    """
    model = compose.add_prefix(converted, "head_")
    graph = model.graph
    raw_label, raw_probability = (output.name for output in graph.output)
    graph.input[0].name, renamed = "EMBEDDING", graph.input[0].name
    graph.node.insert(0, helper.make_node("Identity", ["EMBEDDING"], [renamed]))
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([-1], np.int64), "last_axis"),
            numpy_helper.from_array(np.array([[-1]], np.float32), "no_probability"),
            numpy_helper.from_array(np.array([[-256]], np.float32), "least_sum"),
            numpy_helper.from_array(np.array([[""]], np.object_), "no_label"),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("ReduceSum", ["EMBEDDING", "last_axis"], ["sum"], keepdims=1),
            helper.make_node("Less", ["sum", "least_sum"], ["undecoded"]),
            helper.make_node("Cast", [raw_label], ["label_text"], to=TensorProto.STRING),
            helper.make_node("Unsqueeze", ["label_text", "last_axis"], ["label_column"]),
            helper.make_node("Where", ["undecoded", "no_label", "label_column"], [label]),
            helper.make_node("Where", ["undecoded", "no_probability", raw_probability], [probability]),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        [
            helper.make_tensor_value_info(label, TensorProto.STRING, ["batch", 1]),
            helper.make_tensor_value_info(probability, TensorProto.FLOAT, ["batch", classes]),
        ]
    )
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model.ir_version = min(model.ir_version, 10)
    onnx.checker.check_model(model)
    return model
