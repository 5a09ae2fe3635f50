"""Model repositories small enough to load in milliseconds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facestats.models.repository import ENCODER, ENSEMBLES, config_path

ONNX_OPSET, ONNX_IR = 18, 9


def save_graph(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, NDArray[Any]] | None = None,
) -> None:
    initializers = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", ONNX_OPSET)], ir_version=ONNX_IR), str(path)
    )


def save_scale(path: Path, factor: float = 2.0, batch: int | str = "N") -> None:
    """X [N, 2] float -> Y = factor * X."""
    save_graph(
        path,
        [helper.make_node("Mul", ["X", "factor"], ["Y"])],
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [batch, 2])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [batch, 2])],
        {"factor": np.array(factor, np.float32)},
    )


def save_pick(path: Path) -> None:
    """X [N, 1] int64 -> Y = the X-th of 10, 11, 12; other numbers fail while running."""
    save_graph(
        path,
        [helper.make_node("Gather", ["table", "X"], ["Y"])],
        [helper.make_tensor_value_info("X", TensorProto.INT64, ["N", 1])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["N", 1])],
        {"table": np.array([10, 11, 12], np.float32)},
    )


def save_echo(path: Path) -> None:
    """X [N, 1] string -> Y = X."""
    save_graph(
        path,
        [helper.make_node("Identity", ["X"], ["Y"])],
        [helper.make_tensor_value_info("X", TensorProto.STRING, ["N", 1])],
        [helper.make_tensor_value_info("Y", TensorProto.STRING, ["N", 1])],
    )


def scale_config(name: str, extra: str = "", instances: str = "kind: KIND_CPU, count: 1", batch: int = 8) -> str:
    return f"""
name: "{name}"
backend: "onnxruntime"
max_batch_size: {batch}
input [ {{ name: "X", data_type: TYPE_FP32, dims: [ 2 ] }} ]
output [ {{ name: "Y", data_type: TYPE_FP32, dims: [ 2 ] }} ]
instance_group [ {{ {instances} }} ]
{extra}
"""


def add_scale_model(repository: Path, name: str = "scale", config: str | None = None) -> Path:
    save_scale(repository / name / "1" / "model.onnx")
    (repository / name / "config.pbtxt").write_text(config or scale_config(name))
    return repository / name


def tracked_repository(source: Path, target: Path) -> Path:
    """The project's own repository with tiny graphs of the same tensors in place of CLIP and the regressor."""
    tracked = [*source.glob("*/config.pbtxt"), *source.glob("*/1/*.py")]
    for path in tracked:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for ensemble in ("attractiveness", "attractiveness_image"):
        (target / ensemble / "1").mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    save_graph(
        target / "clip_image_encoder" / "1" / "model.onnx",
        [
            helper.make_node("Cast", ["PIXELS"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats", "height_and_width"], ["colour"], keepdims=0),
            helper.make_node("MatMul", ["colour", "projection"], ["projected"]),
            helper.make_node("LpNormalization", ["projected"], ["EMBEDDING"], axis=-1, p=2),
        ],
        [helper.make_tensor_value_info("PIXELS", TensorProto.UINT8, ["N", 224, 224, 3])],
        [helper.make_tensor_value_info("EMBEDDING", TensorProto.FLOAT, ["N", 512])],
        {
            "height_and_width": np.array([1, 2], np.int64),
            "projection": random.normal(size=(3, 512)).astype(np.float32),
        },
    )
    save_graph(
        target / "attractiveness_regressor" / "1" / "model.onnx",
        [
            helper.make_node("MatMul", ["EMBEDDING", "weights"], ["RAW"]),
            helper.make_node("Sigmoid", ["RAW"], ["share"]),
            helper.make_node("Mul", ["share", "hundred"], ["SCORE"]),
            helper.make_node("Identity", ["EMBEDDING"], ["EMBEDDING_COPY"]),
        ],
        [helper.make_tensor_value_info("EMBEDDING", TensorProto.FLOAT, ["N", 512])],
        [
            helper.make_tensor_value_info("RAW", TensorProto.FLOAT, ["N", 1]),
            helper.make_tensor_value_info("SCORE", TensorProto.FLOAT, ["N", 1]),
            helper.make_tensor_value_info("EMBEDDING_COPY", TensorProto.FLOAT, ["N", 512]),
        ],
        {
            "weights": random.normal(size=(512, 1)).astype(np.float32),
            "hundred": np.array(100, np.float32),
        },
    )
    save_constants(target / "face_detector" / "1" / "model.onnx", 128, {"BOXES": (896, 16), "LOGITS": (896, 1)})
    save_constants(target / "face_mesh" / "1" / "model.onnx", 192, {"LANDMARKS": (478, 3), "FACE_LOGIT": (1,)})
    return target


def save_constants(path: Path, side: int, outputs: dict[str, tuple[int, ...]]) -> None:
    """PIXELS [N, side, side, 3] uint8 -> outputs of the right shapes, all zero."""
    nodes = [
        helper.make_node("Shape", ["PIXELS"], ["batch"], end=1),
    ]
    for name in outputs:
        nodes += [
            helper.make_node("Concat", ["batch", f"{name}_shape"], [f"{name}_size"], axis=0),
            helper.make_node("ConstantOfShape", [f"{name}_size"], [name]),
        ]
    save_graph(
        path,
        nodes,
        [helper.make_tensor_value_info("PIXELS", TensorProto.UINT8, ["N", side, side, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in outputs.items()],
        {f"{name}_shape": np.array(shape, np.int64) for name, shape in outputs.items()},
    )


def tracked_as_exported(source: Path, target: Path, engine: str = "cpu") -> Path:
    """The tracked configurations in the place of exported ones, with a version's own beside them; no graphs."""
    facts = {"precision": "int8", "target": engine, "graphs": "sha256:00", "version": "2"}
    for name in (ENCODER, ENSEMBLES[0]):
        variant = source / name / "configs" / f"{engine}.pbtxt"
        text = (variant if variant.is_file() else source / name / "config.pbtxt").read_text()
        if name == ENSEMBLES[0]:
            for key, value in facts.items():
                text += f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
        path = config_path(target / name)
        path.parent.mkdir(parents=True)
        config_path(target / name, 2).write_text(text)
        path.write_text(text + "version_policy { specific { versions: [ 1, 2 ] } }\n")
    return target
