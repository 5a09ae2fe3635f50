"""The holistic half in this process: the ONNX files that Triton serves, under the settings Triton would give them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facestats.holistic.backend import (
    Holistic,
    HolisticDeadlineError,
    HolisticRequestError,
    HolisticState,
    HolisticUnavailableError,
)
from facestats.holistic.provenance import Provenance
from facestats.holistic.watch import golden_difference
from facestats.models.configuration import RepositoryError, config_json, read_config
from facestats.models.openvino_settings import read_openvino_settings
from facestats.models.repository import (
    ATTRIBUTE_PREFIX,
    ENCODER,
    ENSEMBLES,
    MODEL_FILE,
    REGRESSOR,
    config_path,
    live_version,
    read_parameters,
)
from facestats.models.session_settings import read_session_settings
from facestats.models.sessions import open_session, register_cpu_arena

_GOLDEN_SECONDS = 120.0


class Session(Protocol):
    """A graph ready to run, whatever runs it."""

    def run(self, outputs: Sequence[str], feed: Mapping[str, NDArray[Any]], /) -> list[NDArray[Any]]:
        """Arrays of the outputs named."""


@dataclass(frozen=True)
class ServedModel:
    """One ONNX model as a repository serves it.

    Attributes:
        config: Its Triton configuration in the JSON form.
        graph: The ONNX file's bytes.
    """

    config: Mapping[str, Any]
    graph: bytes

    @property
    def kind(self) -> str:
        """``GPU`` or ``CPU``: what its instances run on."""
        groups = self.config.get("instance_group", [])
        return "GPU" if any(group.get("kind") == "KIND_GPU" for group in groups) else "CPU"


@dataclass(frozen=True)
class ServedGraphs:
    """The live version of a model repository, whole, so that a node needs no copy of the repository.

    Attributes:
        encoder: PIXELS to EMBEDDING.
        regressor: EMBEDDING to RAW and SCORE.
        parameters: What the export says of itself.
        heads: Name of each attribute head to its model, EMBEDDING to label and probabilities.
    """

    encoder: ServedModel
    regressor: ServedModel
    parameters: Mapping[str, str]
    heads: Mapping[str, ServedModel] = field(default_factory=dict)

    @property
    def provenance(self) -> Provenance:
        """What is served."""
        return Provenance(self.parameters)

    @property
    def size(self) -> int:
        """Bytes of all graphs."""
        return sum(len(model.graph) for model in (self.encoder, self.regressor, *self.heads.values()))

    @property
    def needs_gpu(self) -> bool:
        """Whether the export is for a GPU."""
        return self.encoder.kind == "GPU"


def read_served_graphs(repository: Path) -> ServedGraphs:
    """Reads what Triton would serve from this repository.

    Raises:
        RepositoryError: Nothing is exported there, or it is damaged.
    """
    try:
        version = live_version(repository)
        if version is None:
            raise RepositoryError(f"'{repository}' holds no exported models; run `facestats export`.")
        provenance = Provenance(read_parameters(repository / ENSEMBLES[0]))
        names = list(provenance.attributes)
        return ServedGraphs(
            encoder=_read_model(repository / ENCODER, version),
            regressor=_read_model(repository / REGRESSOR, version),
            parameters=dict(provenance.parameters),
            heads={name: _read_model(repository / f"{ATTRIBUTE_PREFIX}{name.lower()}", version) for name in names},
        )
    except (OSError, ValueError, KeyError) as error:
        raise RepositoryError(f"the models in '{repository}' cannot be read: {error}") from error


def _read_model(folder: Path, version: int) -> ServedModel:
    return ServedModel(config_json(read_config(config_path(folder))), (folder / str(version) / MODEL_FILE).read_bytes())


class OnnxBackend:
    """A ``HolisticBackend`` without a server.

    A photo's faces are run together and by themselves, so that what else is being scored cannot touch a score.

    Args:
        graphs: What to run.
        cores: Cores to use: a model whose configuration sets no ``intra_op_thread_count`` runs on one thread, on as
            many photos at a time as there are cores.

    Raises:
        HolisticUnavailableError: ONNX Runtime cannot load a model here.
    """

    def __init__(self, graphs: ServedGraphs, cores: int) -> None:
        _register_arena_once()
        try:
            self._encoder, threads = _open(graphs.encoder, cores)
            self._regressor, _ = _open(graphs.regressor, cores)
            self._heads = {name: _open(model, cores)[0] for name, model in graphs.heads.items()}
        except Exception as error:  # ONNX Runtime's exceptions share no other base.
            raise HolisticUnavailableError(f"ONNX Runtime cannot load the exported models: {error}") from error
        self._executor = ThreadPoolExecutor(max(1, cores // threads), thread_name_prefix="onnx")

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        """Scores one photo's faces.

        Args:
            pixels: [N, 224, 224, 3] uint8 RGB.
            timeout: Seconds.
            embedding: Whether to return the embeddings too.
            attributes: Names of the attribute heads to run.

        Raises:
            HolisticDeadlineError: It took longer than ``timeout``.
            HolisticRequestError: ONNX Runtime failed.
        """
        run = asyncio.get_running_loop().run_in_executor(self._executor, self._run, pixels, embedding, attributes)
        try:
            # Not asyncio.wait_for: see facestats.deadline.
            await asyncio.wait({run}, timeout=timeout)
            if not run.done():
                raise HolisticDeadlineError("ONNX Runtime took too long.")
            return run.result()
        finally:
            run.cancel()

    def close(self) -> None:
        """Waits for what is running and ends the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _run(self, pixels: NDArray[np.uint8], embedding: bool, attributes: tuple[str, ...]) -> Holistic:
        try:
            (found,) = self._encoder.run(["EMBEDDING"], {"PIXELS": pixels})
            raw, score, handed_on = self._regressor.run(["RAW", "SCORE", "EMBEDDING_COPY"], {"EMBEDDING": found})
            heads = {
                name: self._heads[name].run([f"{name}_LABEL", f"{name}_PROBABILITY"], {"EMBEDDING": found})
                for name in attributes
            }
        except Exception as error:  # Whatever a session says of a well-formed batch is its own failure.
            raise HolisticRequestError(f"ONNX Runtime failed: {error}") from error
        return Holistic(
            score=score[:, 0],
            raw=raw[:, 0],
            embedding=handed_on if embedding else None,
            attributes={
                name: (np.asarray(label).reshape(len(pixels), -1)[:, 0], probability)
                for name, (label, probability) in heads.items()
            },
        )


class ServedState:
    """What is known of models in this process: a ``HolisticWatch`` that never changes.

    Args:
        provenance: What the backend runs.
    """

    def __init__(self, provenance: Provenance) -> None:
        self.state = HolisticState(ready=True, reason="", provenance=provenance)

    def report_unavailable(self, reason: str) -> None:
        """Models in this process are never away; each failure speaks for itself."""


async def check_golden_case(backend: OnnxBackend, provenance: Provenance) -> None:
    """Scores the export's golden input, as the gateway does before it counts Triton as ready.

    Raises:
        HolisticUnavailableError: The answer is not the export's.
    """
    case = provenance.golden_case()
    if case is None:
        return
    live = await backend.infer(case.pixels[np.newaxis], timeout=_GOLDEN_SECONDS, embedding=True, attributes=())
    _, problem = golden_difference(case, live)
    if problem:
        raise HolisticUnavailableError(f"the exported models answer differently here: {problem}")


def _open(model: ServedModel, cores: int) -> tuple[Session, int]:
    """The session of a model, and the threads a run of it takes."""
    if model.config.get("backend") == "openvino":
        # Imported where it is needed: an installation that serves with ONNX Runtime alone has no OpenVINO.
        from facestats.models.openvino_sessions import OpenVinoSession

        compiled = read_openvino_settings(model.config)
        threads = compiled.threads_of_a_stream(cores) if compiled.threads else 1
        streams = max(1, cores // threads)
        return OpenVinoSession(model.graph, replace(compiled, threads=threads, streams=1), streams=streams), threads
    settings = read_session_settings(model.config)
    threads = settings.intra_op_thread_count or 1
    settings = replace(settings, intra_op_thread_count=threads)
    return open_session(model.graph, settings, model.kind, 0), threads


@functools.cache
def _register_arena_once() -> None:
    register_cpu_arena()
