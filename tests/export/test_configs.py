"""Triton configurations of an export: the target's variant, heads wired in, provenance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.json_format import MessageToJson
from tritonclient.grpc import model_config_pb2

from facestats.landmarks.networks import SERVED_BATCH
from facestats.models.repository import CROPS_ENSEMBLE, ENCODER, ENSEMBLES, REGRESSOR, SCORERS, tracked_models
from facestats.models.session_settings import read_session_settings
from facestats.models.sessions import execution_providers
from facestats_export.attributes import AttributeHead
from facestats_export.configs import model_configs

HEAD = AttributeHead("SMILE", ("no", "yes", "wide"), None, b"", "ab" * 32)


@pytest.fixture
def source(root: Path) -> Path:
    return root / "model_repository"


def accelerator(config: model_config_pb2.ModelConfig) -> dict[str, str]:
    (found,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert found.name == "tensorrt"
    return dict(found.parameters)


@pytest.mark.parametrize("target", ["cpu", "cuda", "tensorrt"])
def test_every_target_serves_the_same_tensors(target: str, source: Path) -> None:
    configs = model_configs(source, target, "fp16", {}, ())
    reference = model_configs(source, "cpu", "fp32", {}, ())
    assert configs.keys() == reference.keys() == set(tracked_models(source))
    for name, config in configs.items():
        assert config.input == reference[name].input
        assert config.output == reference[name].output
        assert (config.max_batch_size > 1) == (reference[name].max_batch_size > 1)
        assert config.HasField("dynamic_batching") == reference[name].HasField("dynamic_batching")


@pytest.mark.parametrize("target", ["cuda", "tensorrt"])
def test_a_gpu_s_larger_batches_pass_through_the_whole_ensemble(source: Path, target: str) -> None:
    configs = model_configs(source, target, "fp16", {}, ())
    assert {configs[name].max_batch_size for name in (ENCODER, REGRESSOR, CROPS_ENSEMBLE)} == {128}


@pytest.mark.parametrize("model", ["face_detector", "face_mesh"])
def test_face_networks_take_the_batch_that_psl_asks_for(source: Path, model: str) -> None:
    for target in ("cpu", "cuda", "tensorrt"):
        assert model_configs(source, target, "fp32", {}, ())[model].max_batch_size >= SERVED_BATCH


@pytest.mark.parametrize("model", [ENCODER, "face_detector", "face_mesh"])
def test_cuda_neither_rounds_single_precision_nor_tries_every_convolution(source: Path, model: str) -> None:
    config = model_configs(source, "cuda", "fp32", {}, ())[model]
    settings = read_session_settings(json.loads(MessageToJson(config, preserving_proto_field_name=True)))
    ((name, options), _) = execution_providers(settings, "GPU", 0, ["CUDAExecutionProvider"])
    assert name == "CUDAExecutionProvider"
    assert options["use_tf32"] == "0"
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"


def test_targets_differ_in_what_runs_the_encoder(source: Path) -> None:
    kinds = {
        target: model_configs(source, target, "fp16", {}, ())[ENCODER].instance_group[0].kind
        for target in ("cpu", "cuda", "tensorrt")
    }
    group = model_config_pb2.ModelInstanceGroup
    assert kinds == {"cpu": group.KIND_CPU, "cuda": group.KIND_GPU, "tensorrt": group.KIND_GPU}
    for target in kinds:
        regressor = model_configs(source, target, "fp16", {}, ())[REGRESSOR]
        assert regressor.instance_group[0].kind == group.KIND_CPU


def test_tensorrt_has_an_engine_cache_and_shape_profiles(source: Path) -> None:
    config = model_configs(source, "tensorrt", "fp16", {}, ())[ENCODER]
    parameters = accelerator(config)
    assert parameters["precision_mode"] == "FP16"
    assert parameters["trt_engine_cache_enable"] == "true"
    assert parameters["trt_engine_cache_path"]
    assert parameters["trt_profile_min_shapes"] == "PIXELS:1x224x224x3"
    assert parameters["trt_profile_max_shapes"] == f"PIXELS:{config.max_batch_size}x224x224x3"
    assert {sample.batch_size for sample in config.model_warmup} >= {1, config.max_batch_size}


def test_fp32_takes_tensorrt_s_half_precision_back(source: Path) -> None:
    assert "precision_mode" not in accelerator(model_configs(source, "tensorrt", "fp32", {}, ())[ENCODER])


def test_provenance_is_in_every_model_that_callers_ask(source: Path) -> None:
    configs = model_configs(source, "cpu", "fp32", {"clip": "some tower"}, ())
    assert {name for name, config in configs.items() if config.parameters["clip"].string_value} == set(SCORERS)


@pytest.mark.parametrize(("target", "where"), [("cpu", "process"), ("cuda", "triton"), ("tensorrt", "triton")])
def test_face_networks_run_where_the_gpu_is(source: Path, target: str, where: str) -> None:
    configs = model_configs(source, target, "fp32", {}, ())
    assert configs["psl"].parameters["face_networks_run_by"].string_value == where
    groups = model_config_pb2.ModelInstanceGroup
    kind = groups.KIND_GPU if where == "triton" else groups.KIND_CPU
    for name in ("face_detector", "face_mesh"):
        (group,) = configs[name].instance_group
        assert group.kind == kind


def test_without_heads_there_is_no_attribute(source: Path) -> None:
    configs = model_configs(source, "cpu", "fp32", {}, ())
    assert not [name for name in configs if name.startswith("attribute")]
    outputs = {output.name for name in ENSEMBLES for output in configs[name].output}
    assert outputs == {"SCORE", "RAW", "EMBEDDING", "ERROR"}


def test_a_head_is_a_model_and_outputs_of_both_ensembles(source: Path) -> None:
    configs = model_configs(source, "cpu", "fp32", {}, (HEAD,))
    head = configs["attribute_smile"]
    shapes = {output.name: (output.data_type, list(output.dims)) for output in head.output}
    assert shapes == {
        "SMILE_LABEL": (model_config_pb2.TYPE_STRING, [1]),
        "SMILE_PROBABILITY": (model_config_pb2.TYPE_FP32, [3]),
    }
    for name in ENSEMBLES:
        outputs = {output.name: (output.data_type, list(output.dims)) for output in configs[name].output}
        assert shapes.items() <= outputs.items()


@pytest.mark.parametrize("name", ENSEMBLES)
def test_no_ensemble_output_feeds_a_step(name: str, source: Path) -> None:
    """Triton would leave the step out whenever nobody asks for that output."""
    config = model_configs(source, "cpu", "fp32", {}, (HEAD,))[name]
    outputs = {output.name for output in config.output}
    made = {tensor for step in config.ensemble_scheduling.step for tensor in step.output_map.values()}
    read = {tensor for step in config.ensemble_scheduling.step for tensor in step.input_map.values()}
    assert not outputs & read
    assert outputs <= made
    assert read <= made | {tensor.name for tensor in config.input}


def test_golden_tolerance_and_parameters_are_text(source: Path) -> None:
    from facestats.holistic.provenance import Provenance
    from facestats_export.provenance import golden_parameters

    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    embedding = np.random.default_rng(1).standard_normal(512).astype(np.float32)
    parameters = golden_parameters(pixels, embedding, 1.25, 61.5, "int8")
    configs = model_configs(source, "cpu", "int8", parameters, ())
    read = {name: value.string_value for name, value in configs[ENSEMBLES[0]].parameters.items()}
    case = Provenance(read).golden_case()
    assert case is not None
    np.testing.assert_array_equal(case.pixels, pixels)
    np.testing.assert_array_equal(case.embedding, embedding)
    assert (case.raw, case.score, case.score_tolerance) == (1.25, 61.5, 3.0)
