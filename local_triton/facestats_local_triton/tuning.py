"""Settings found best on this machine by ``facestats tune``: kept beside the models, used by ``facestats up``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from facestats.models.configuration import read_config, write_config
from facestats.models.openvino_settings import NUM_STREAMS, NUM_THREADS
from facestats.models.repository import ENCODER, ENSEMBLES, config_path, live_version

TUNING_FILE = ".tuning.json"
"""Lies in the model repository, which Triton and git both ignore it in."""

_INTRA_OP = "intra_op_thread_count"
_CONDITIONS = "tuned_for"
"""Parameter of a tuned configuration that says what the tuning holds for; the backends ignore it."""


@dataclass(frozen=True)
class Tuning:
    """What was found best.

    Attributes:
        instances: Instances of CLIP.
        intra_op_threads: Threads of each.
        queue_delay_microseconds: How long Triton holds an incomplete batch back.
        gateway_threads: Threads that decode and measure faces.
        max_requests_in_flight: Photos admitted at a time; more are refused at once.
    """

    instances: int
    intra_op_threads: int
    queue_delay_microseconds: int
    gateway_threads: int
    max_requests_in_flight: int

    def gateway_settings(self) -> dict[str, int]:
        """Names of the gateway's settings to their values."""
        return {"threads": self.gateway_threads, "max_requests_in_flight": self.max_requests_in_flight}


@dataclass(frozen=True)
class Conditions:
    """What a tuning holds for; on another machine or for other graphs it says nothing.

    Attributes:
        cores: Cores this process may use.
        precision: Of the export.
        target: Of the export.
        graphs: Hash of the exported graphs; unknown of a tuning kept before it was recorded.
    """

    cores: int
    precision: str
    target: str
    graphs: str = ""


def conditions(repository: Path) -> Conditions:
    """The present ones.

    Raises:
        RepositoryError: Nothing is exported, or it is damaged.
    """
    parameters = read_config(config_path(repository / ENSEMBLES[0])).parameters
    return Conditions(
        cores=len(os.sched_getaffinity(0)),
        precision=parameters["precision"].string_value,
        target=parameters["target"].string_value,
        graphs=parameters["graphs"].string_value,
    )


def save_tuning(repository: Path, tuning: Tuning, holds_for: Conditions, evidence: list[dict[str, object]]) -> Path:
    """Writes the tuning with what it was found from; returns the file."""
    path = repository / TUNING_FILE
    document = {"tuning": asdict(tuning), "conditions": asdict(holds_for), "evidence": evidence}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def load_tuning(repository: Path) -> Tuning | None:
    """The tuning of this repository, or ``None`` when there is none or it was found under other conditions.

    Raises:
        ValueError: The file is damaged.
    """
    path = repository / TUNING_FILE
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text())
        found, holds_for = Tuning(**document["tuning"]), Conditions(**document["conditions"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' cannot be read ({error}); delete it or run `facestats tune` again.") from error
    return found if holds_for == conditions(repository) else None


def apply_tuning(repository: Path, tuning: Tuning | None) -> None:
    """Writes CLIP's part of the tuning into its exported configuration, in place of any earlier one.

    Args:
        repository: Exported.
        tuning: ``None``: the configuration becomes the export's own again.

    Raises:
        RepositoryError: Nothing is exported, or it is damaged.
    """
    path = config_path(repository / ENCODER)
    # The export's own lies beside it; which versions are loaded is no part of a tuning.
    loaded = read_config(path).version_policy
    config = read_config(config_path(repository / ENCODER, live_version(repository)))
    config.version_policy.CopyFrom(loaded)
    if tuning is not None:
        for group in config.instance_group:
            group.count = tuning.instances
        for name, value in _threads(tuning, config.backend).items():
            config.parameters[name].string_value = str(value)
        config.dynamic_batching.max_queue_delay_microseconds = tuning.queue_delay_microseconds
        config.parameters[_CONDITIONS].string_value = json.dumps(asdict(conditions(repository)))
    write_config(path, config)


def _threads(tuning: Tuning, backend: str) -> dict[str, int]:
    """Names of the backend's parameters to their values."""
    if backend == "openvino":
        # OpenVINO's threads are those of all streams, and each instance has one.
        return {NUM_THREADS: tuning.instances * tuning.intra_op_threads, NUM_STREAMS: tuning.instances}
    return {_INTRA_OP: tuning.intra_op_threads}
