"""Puts an export into the model repository whole or not at all, and takes it back.

Every version keeps its configurations as ``configs/exported-<version>.pbtxt``. Making a version live writes them to
``configs/exported.pbtxt``: first the graphs' (which keep the version before loaded), at last the ensembles', whose
steps name the version they run. A Triton that polls never runs one version's encoder with another's regressor.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from facestats.models.configuration import read_config, write_config
from facestats.models.repository import (
    CONFIG_NAME,
    ENCODER,
    ENSEMBLES,
    MODEL_FILE,
    SCORERS,
    VERSION_PARAMETER,
    config_path,
    exported_models,
    live_version,
    versions,
)
from facestats_export.errors import ExportError

KEPT_VERSIONS = 2
"""The live version and the one before, for a rollback."""

_STAGED = ".staged-"


def publish(
    output: Path,
    graphs: Mapping[str, bytes],
    configs: Mapping[str, model_config_pb2.ModelConfig],
    reports: Mapping[str, str],
    served: Mapping[str, bytes] | None = None,
) -> int:
    """Adds the next version of every graph and makes it live.

    Each graph is written beside its versions under a hidden name and moved into place when all are complete, so an
    interrupted export leaves what is served as it was.

    Args:
        output: A prepared model repository.
        graphs: Model name to ONNX bytes.
        configs: Model name to configuration, of every model in the repository; the ensembles' steps name no version.
        reports: File name to text, kept beside the encoder.
        served: Model name to what Triton runs where that is not the graph: the file that its configuration names.

    Returns:
        The new version's number.
    """
    with exclusive(output):
        version = 1 + max((number for name in graphs for number in versions(output / name)), default=0)
        staged = {name: output / name / f"{_STAGED}{version}" for name in graphs}
        try:
            for name, graph in graphs.items():
                _write(staged[name] / MODEL_FILE, graph)
            for name, graph in (served or {}).items():
                _write(staged[name] / configs[name].default_model_filename, graph)
            for file_name, text in reports.items():
                _write(staged[ENCODER] / file_name, text.encode())
            for name, folder in staged.items():
                folder.rename(output / name / str(version))
        finally:
            for folder in staged.values():
                shutil.rmtree(folder, ignore_errors=True)
        for name, config in configs.items():
            write_config(config_path(output / name, version), _pinned(config, graphs, version))
        previous = live_version(output)
        _make_live(output, version, previous)
        _prune(output, keep=[number for number in (previous, version) if number is not None])
    return version


def rollback(output: Path) -> int:
    """Makes the version before the live one live again.

    Returns:
        Its number.

    Raises:
        ExportError: There is none.
    """
    with exclusive(output):
        live = live_version(output)
        kept = [number for number in versions(output / ENCODER) if live is not None and number < live]
        kept = [number for number in kept if config_path(output / ENSEMBLES[0], number).is_file()]
        if live is None or not kept:
            raise ExportError(f"'{output}' holds no version before {live or 'the first export'} to return to.")
        _make_live(output, kept[-1], live)
    return kept[-1]


@contextmanager
def exclusive(output: Path) -> Iterator[None]:
    """Holds the repository against other exports and clears what an interrupted one left.

    Raises:
        ExportError: Another export is writing to it, or it cannot be written to.
    """
    try:
        lock = (output / ".export.lock").open("w")
    except OSError as error:
        raise ExportError(f"the model repository '{output}' cannot be written to ({error.strerror}).") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"another export is writing to '{output}'; wait for it to end.") from None
        for left in output.glob(f"*/{_STAGED}*"):
            shutil.rmtree(left)
        yield


def _pinned(
    config: model_config_pb2.ModelConfig, graphs: Mapping[str, bytes], version: int
) -> model_config_pb2.ModelConfig:
    """The configuration with its ensemble's steps bound to this version of the graphs."""
    pinned = model_config_pb2.ModelConfig()
    pinned.CopyFrom(config)
    for step in pinned.ensemble_scheduling.step:
        if step.model_name in graphs:
            step.model_version = version
    if config.name in SCORERS:
        pinned.parameters[VERSION_PARAMETER].string_value = str(version)
    return pinned


def _make_live(output: Path, version: int, previous: int | None) -> None:
    """Writes the configurations Triton reads; the version in service stays loaded until the ensembles have changed.

    The ensemble that tells which version is live comes last: until then an interrupted change counts as not made.
    """
    for name in sorted(exported_models(output), key=lambda name: (name in SCORERS, name == ENSEMBLES[0], name)):
        kept = config_path(output / name, version)
        if not kept.is_file():
            continue
        config = read_config(kept)
        present = versions(output / name)
        served = [number for number in present if number in (version, previous)]
        if served:
            config.version_policy.specific.versions.extend(served)
        write_config(config_path(output / name), config)


def _prune(output: Path, keep: list[int]) -> None:
    for name in exported_models(output):
        for number in versions(output / name):
            if number not in keep[-KEPT_VERSIONS:]:
                shutil.rmtree(output / name / str(number))
        for path in (output / name / "configs").glob(f"{CONFIG_NAME}-*.pbtxt"):
            if int(path.stem.rpartition("-")[2]) not in keep:
                path.unlink()
        if not (output / name / "config.pbtxt").is_file() and not versions(output / name):
            # An attribute head that neither kept version has.
            shutil.rmtree(output / name)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
