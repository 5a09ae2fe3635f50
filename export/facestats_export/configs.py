"""Triton model configurations of an export: the tracked ones, the target's variants, the heads, the provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from facestats.models.configuration import read_config
from facestats.models.openvino_settings import HINT_BF16, PRECISION
from facestats.models.repository import (
    CROPS_ENSEMBLE,
    ENCODER,
    ENSEMBLES,
    MODEL_FILE,
    PHOTO_MODEL,
    REGRESSOR,
    SCORERS,
    tracked_models,
)
from facestats_export.attributes import AttributeHead
from facestats_export.clip import EMBEDDING_SIZE

_PROVIDER_OF_EMBEDDING = {"attractiveness": "clip_image_encoder", "attractiveness_image": "score_mask"}
"""Whose embedding the heads read: where files are decoded the masked one, so that a damaged file has no attributes."""

GPU_TARGETS = ("cuda", "tensorrt")
"""Targets whose face networks run on the GPU, where psl asks Triton for them."""


def model_configs(
    output: Path, target: str, precision: str, parameters: Mapping[str, str], heads: Sequence[AttributeHead]
) -> dict[str, model_config_pb2.ModelConfig]:
    """Configurations of every model of an export.

    Args:
        output: A prepared model repository.
        target: ``cpu``, or a variant ``configs/<target>.pbtxt`` where a model has one.
        precision: ``fp32`` takes back the half precision that the TensorRT variant asks for; OpenVINO is told which
            to compute in.
        parameters: Provenance, for the models that callers ask.
        heads: Attribute heads to add.

    Raises:
        ExportError: A tracked configuration is damaged.
    """
    configs = {}
    for name in tracked_models(output):
        variant = output / name / "configs" / f"{target}.pbtxt"
        config = read_config(variant if variant.is_file() else output / name / "config.pbtxt")
        if name in ENSEMBLES:
            for head in heads:
                _add_head(config, head)
        if name == PHOTO_MODEL and target in GPU_TARGETS:
            config.parameters["face_networks_run_by"].string_value = "triton"
        if name in SCORERS:
            for key, value in parameters.items():
                config.parameters[key].string_value = value
        if config.backend == "openvino":
            # Left out, OpenVINO computes in bf16 wherever the processor can.
            key, value = (HINT_BF16, "YES") if precision == "bf16" else (PRECISION, "f32")
            config.parameters[key].string_value = value
        if precision == "fp32":
            for accelerator in config.optimization.execution_accelerators.gpu_execution_accelerator:
                accelerator.parameters.pop("precision_mode", None)
        configs[name] = config
    # A GPU's image tower takes larger batches, so what it feeds and the ensemble around both do.
    for name in (REGRESSOR, CROPS_ENSEMBLE):
        configs[name].max_batch_size = configs[ENCODER].max_batch_size
    for head in heads:
        configs[head.model] = _head_config(head, configs[REGRESSOR])
    return configs


def _add_head(ensemble: model_config_pb2.ModelConfig, head: AttributeHead) -> None:
    provider = next(
        step for step in ensemble.ensemble_scheduling.step if step.model_name == _PROVIDER_OF_EMBEDDING[ensemble.name]
    )
    # An ensemble output must not feed a step (see attractiveness_regressor's configuration), so where the provider's
    # EMBEDDING leaves the ensemble its copy is read.
    key = "EMBEDDING" if provider.output_map["EMBEDDING"] != "EMBEDDING" else "EMBEDDING_COPY"
    embedding = provider.output_map[key] or "embedding_for_attributes"
    provider.output_map[key] = embedding
    step = ensemble.ensemble_scheduling.step.add(model_name=head.model, model_version=-1)
    step.input_map["EMBEDDING"] = embedding
    for tensor, data_type, size in _outputs(head):
        step.output_map[tensor] = tensor
        ensemble.output.add(name=tensor, data_type=data_type, dims=[size])


def _head_config(head: AttributeHead, regressor: model_config_pb2.ModelConfig) -> model_config_pb2.ModelConfig:
    """As the regressor's: three small layers or a logistic regression are served alike."""
    config = model_config_pb2.ModelConfig(
        name=head.model,
        backend=regressor.backend,
        default_model_filename=MODEL_FILE,
        max_batch_size=regressor.max_batch_size,
        instance_group=regressor.instance_group,
        dynamic_batching=regressor.dynamic_batching,
    )
    for key, value in regressor.parameters.items():
        config.parameters[key].CopyFrom(value)
    config.input.add(name="EMBEDDING", data_type=model_config_pb2.TYPE_FP32, dims=[EMBEDDING_SIZE])
    for tensor, data_type, size in _outputs(head):
        config.output.add(name=tensor, data_type=data_type, dims=[size])
    return config


def _outputs(head: AttributeHead) -> list[tuple[str, int, int]]:
    return [
        (head.label_tensor, model_config_pb2.TYPE_STRING, 1),
        (head.probability_tensor, model_config_pb2.TYPE_FP32, len(head.classes)),
    ]
