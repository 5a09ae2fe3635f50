"""The ONNX graphs: pixels to embedding, embedding to raw output and calibrated score."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facestats.holistic.provenance import NO_SCORE
from facestats_export.calibration import Calibration
from facestats_export.clip import EMBEDDING_SIZE, Clip
from facestats_export.regressor import Layer

if TYPE_CHECKING:
    import torch

OPSET = 18
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's normalisation (Radford et al., 2021), of RGB in 0..1."""


@dataclass(frozen=True)
class LinearLayer:
    """A product with a constant, and the constant added to it.

    Attributes:
        product: The ``MatMul``; its output is the layer's name.
        weight: [inputs, outputs].
        bias: The ``Add`` behind it, if there is one.
    """

    product: onnx.NodeProto
    weight: NDArray[np.float32]
    bias: onnx.NodeProto | None

    @property
    def name(self) -> str:
        """Unique in the graph."""
        return str(self.product.output[0])

    @property
    def input(self) -> str:
        """The activation it reads."""
        return str(self.product.input[0])


def linear_layers(model: onnx.ModelProto) -> list[LinearLayer]:
    """The graph's linear layers, in its order; the patch embedding is the first."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    biases = {node.input[0]: node for node in model.graph.node if node.op_type == "Add" and node.input[1] in constants}
    return [
        LinearLayer(node, numpy_helper.to_array(constants[node.input[1]]), biases.get(node.output[0]))
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in constants and len(constants[node.input[1]].dims) == 2
    ]


def clip_module(clip: Clip) -> torch.nn.Module:
    """The reference, transformers' own model: [N, 224, 224, 3] uint8 to [N, 512] float32, unit length."""
    import torch

    class PixelsToEmbedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = clip.model
            self.mean: torch.Tensor
            self.std: torch.Tensor
            self.register_buffer("mean", torch.tensor(CLIP_MEAN).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(CLIP_STD).view(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            rgb = pixels.to(torch.float32).permute(0, 3, 1, 2) / 255.0
            embedding: torch.Tensor = self.tower(pixel_values=(rgb - self.mean) / self.std).image_embeds
            unit: torch.Tensor = embedding / embedding.norm(dim=-1, keepdim=True)
            return unit

    return PixelsToEmbedding().eval()


def export_clip(module: torch.nn.Module) -> onnx.ModelProto:
    """Traces the image tower to ONNX with a symbolic batch axis, ``PIXELS`` to ``EMBEDDING``.

    The same module gives the same bytes: names of files and traces of the exporting program are taken out.
    """
    import torch

    # It warns that torchvision, which CLIP does not use, is missing.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    example = torch.zeros(2, 224, 224, 3, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["PIXELS"],
            output_names=["EMBEDDING"],
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch", min=1, max=1024)}},
            verbose=False,
        )
    assert program is not None
    return without_traces(program.model_proto)


def regressor_graph(layers: Sequence[Layer], calibration: Calibration | None) -> onnx.ModelProto:
    """Builds ``EMBEDDING`` to ``RAW`` and ``SCORE``: linear layers with ReLU between them, then the calibration.

    ``SCORE`` is the sum over the calibration's intervals of how far ``RAW`` has come through each, times its share of
    100: piecewise linear, monotone, clamped, and exact at the stored quantiles. Without a calibration it is
    ``NO_SCORE``.
    ``EMBEDDING_COPY`` is the input again (the model's ``config.pbtxt`` says why).

    Args:
        layers: The regressor's linear layers.
        calibration: Its calibration, or ``None``.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[np.float32]) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    flow = "EMBEDDING"
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        inputs = [flow, constant(f"weight_{index}", layer.weight), constant(f"bias_{index}", layer.bias)]
        flow = "RAW" if last else f"linear_{index}"
        nodes.append(helper.make_node("Gemm", inputs, [flow], name=f"linear_{index}", transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [flow], [f"relu_{index}"], name=f"relu_{index}"))
            flow = f"relu_{index}"
    nodes += _score_nodes(calibration, constant)
    nodes.append(helper.make_node("Identity", ["EMBEDDING"], ["EMBEDDING_COPY"], name="embedding_copy"))
    graph = helper.make_graph(
        nodes,
        "attractiveness_regressor",
        [helper.make_tensor_value_info("EMBEDDING", TensorProto.FLOAT, ["batch", EMBEDDING_SIZE])],
        [
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("RAW", "SCORE")),
            helper.make_tensor_value_info("EMBEDDING_COPY", TensorProto.FLOAT, ["batch", EMBEDDING_SIZE]),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def _score_nodes(calibration: Calibration | None, constant: object) -> list[onnx.NodeProto]:
    assert callable(constant)
    if calibration is None:
        zero, score = (
            constant("zero", np.array([0], np.float32)),
            constant("no_score", np.array([NO_SCORE], np.float32)),
        )
        return [
            helper.make_node("Mul", ["RAW", zero], ["nothing"], name="nothing"),
            helper.make_node("Add", ["nothing", score], ["SCORE"], name="uncalibrated_score"),
        ]
    raw, score = calibration.knots()
    knots = raw.astype(np.float32)
    start, width = constant("interval_start", knots[:-1]), constant("interval_width", np.diff(knots))
    zero, one = constant("zero", np.array(0, np.float32)), constant("one", np.array(1, np.float32))
    share = constant("interval_score", np.diff(score)[:, None])
    return [
        helper.make_node("Sub", ["RAW", start], ["past_start"], name="past_start"),
        helper.make_node("Div", ["past_start", width], ["progress"], name="progress"),
        helper.make_node("Clip", ["progress", zero, one], ["clamped"], name="clamped"),
        helper.make_node("MatMul", ["clamped", share], ["above_lowest"], name="above_lowest"),
        helper.make_node(
            "Add", ["above_lowest", constant("lowest_score", np.array([score[0]], np.float32))], ["SCORE"], name="score"
        ),
    ]


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Takes out everything that depends on where and when the export ran."""
    for holder in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del holder.metadata_props[:]
        holder.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    for function in model.functions:
        del function.metadata_props[:]
    return model
