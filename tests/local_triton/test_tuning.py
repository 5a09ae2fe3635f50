"""A tuning is kept with its evidence, holds for the conditions it was found in, and goes into CLIP's configuration."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
from tritonclient.grpc import model_config_pb2

from facestats.models.configuration import read_config
from facestats.models.repository import ENCODER, config_path
from facestats_local_triton.tuning import (
    TUNING_FILE,
    Conditions,
    Tuning,
    apply_tuning,
    conditions,
    load_tuning,
    save_tuning,
)
from tests.local_triton.tiny_models import tracked_as_exported

TUNING = Tuning(
    instances=2, intra_op_threads=1, queue_delay_microseconds=500, gateway_threads=3, max_requests_in_flight=40
)


@pytest.fixture(params=["cpu", "openvino"])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def repository(root: Path, tmp_path: Path, target: str) -> Path:
    return tracked_as_exported(root / "model_repository", tmp_path, target)


def encoder_config(repository: Path) -> model_config_pb2.ModelConfig:
    return read_config(config_path(repository / ENCODER))


def test_conditions_are_the_machine_s_and_the_export_s(repository: Path, target: str) -> None:
    cores = len(os.sched_getaffinity(0))
    assert conditions(repository) == Conditions(cores, precision="int8", target=target, graphs="sha256:00")


def test_what_was_saved_is_used_again_and_keeps_its_evidence(repository: Path) -> None:
    evidence: list[dict[str, object]] = [{"instances": 2, "images_per_second": 31.5}]
    path = save_tuning(repository, TUNING, conditions(repository), evidence)
    assert load_tuning(repository) == TUNING
    assert json.loads(path.read_text())["evidence"] == evidence


@pytest.mark.parametrize(
    "change", [{"cores": 4096}, {"precision": "fp32"}, {"target": "cuda"}, {"graphs": "sha256:11"}, {"graphs": ""}]
)
def test_on_another_machine_or_export_it_says_nothing(repository: Path, change: dict[str, object]) -> None:
    elsewhere = dataclasses.replace(conditions(repository), **change)  # type: ignore[arg-type]
    save_tuning(repository, TUNING, elsewhere, [])
    assert load_tuning(repository) is None


def test_without_a_tuning_there_is_none(repository: Path) -> None:
    assert load_tuning(repository) is None


@pytest.mark.parametrize("text", ["", "{}", '{"tuning": {"instances": 1}, "conditions": {}}', "[]"])
def test_a_damaged_file_is_named_with_the_way_out(repository: Path, text: str) -> None:
    (repository / TUNING_FILE).write_text(text)
    with pytest.raises(ValueError, match=r"\.tuning\.json.*facestats tune"):
        load_tuning(repository)


def test_it_changes_clip_s_configuration_and_nothing_else_of_it(repository: Path, target: str) -> None:
    before = encoder_config(repository)
    apply_tuning(repository, TUNING)
    after = encoder_config(repository)
    assert [group.count for group in after.instance_group] == [2]
    threads = {"intra_op_thread_count": "1"} if target == "cpu" else {"INFERENCE_NUM_THREADS": "2", "NUM_STREAMS": "2"}
    for name, value in threads.items():
        assert after.parameters[name].string_value == value
    assert json.loads(after.parameters["tuned_for"].string_value) == dataclasses.asdict(conditions(repository))
    assert after.dynamic_batching.max_queue_delay_microseconds == 500
    after.instance_group[0].count = before.instance_group[0].count
    for name in (*threads, "tuned_for"):
        del after.parameters[name]
        if name in before.parameters:
            after.parameters[name].CopyFrom(before.parameters[name])
    after.dynamic_batching.max_queue_delay_microseconds = before.dynamic_batching.max_queue_delay_microseconds
    assert after == before
    assert not list(repository.rglob(".exported*"))


def test_a_tuning_that_no_longer_holds_leaves_nothing_behind(repository: Path) -> None:
    before = encoder_config(repository)
    apply_tuning(repository, TUNING)
    assert encoder_config(repository) != before
    apply_tuning(repository, None)
    assert encoder_config(repository) == before


def test_a_tuning_takes_the_place_of_the_one_before(repository: Path) -> None:
    apply_tuning(repository, TUNING)
    other = dataclasses.replace(TUNING, instances=1, intra_op_threads=4, queue_delay_microseconds=0)
    apply_tuning(repository, other)
    after = encoder_config(repository)
    apply_tuning(repository, None)
    apply_tuning(repository, other)
    assert encoder_config(repository) == after


def test_the_gateway_s_part_names_settings_that_exist() -> None:
    from facestats_gateway.settings import Settings

    assert set(TUNING.gateway_settings()) <= set(Settings.model_fields)
    assert TUNING.gateway_settings() == {"threads": 3, "max_requests_in_flight": 40}
