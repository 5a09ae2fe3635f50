"""The gateway's pipeline in a worker: images to rows, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

from facestats.deadline import Deadline
from facestats.faces.measurer import FaceMeasurer
from facestats.faces.options import ScoreOptions
from facestats.holistic.backend import HolisticError
from facestats.holistic.onnx import OnnxBackend, ServedGraphs, ServedState, check_golden_case
from facestats.holistic.provenance import Provenance
from facestats.holistic.triton import TritonClient
from facestats.holistic.watch import TritonMonitor
from facestats.images.limits import ImageLimits
from facestats.landmarks.engines import LandmarkEngineError, engines_of
from facestats.landmarks.networks import FaceGraphs
from facestats.problems import PROBLEM_TYPES, Problem
from facestats.scoring.pipeline import Scorer
from facestats.scoring.receipt import Design
from facestats_bulk.blocks import Block, read_file, read_rows
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput
from facestats_bulk.schema import UNREADABLE, problem_row, scored_row

TRANSIENT = frozenset({"triton-unavailable", "deadline-exceeded", "overloaded"})
"""Problems of the service, not of the image: tried again, and never written as a row."""

IMAGE_SECONDS = 120.0
"""Time one image may take, seconds."""

_INPUT_AT_FAULT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_NAME_AT_FAULT = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO})
_PASSING_STATUSES = frozenset({408, 425, 429})
"""HTTP statuses from 400 to 499 that are not about what was asked for."""

Row = dict[str, Any]
Load = Callable[[], bytes | None]


@dataclass(frozen=True)
class EngineOptions:
    """What a worker needs to know; without secrets, because it travels.

    Attributes:
        score: How images are scored.
        design: How the score is made.
        limits: What images are refused.
        max_faces: Most faces of an image.
        cores: Threads that decode and measure, and cores for ONNX Runtime.
        triton_targets: Addresses of Triton (``facestats.holistic.triton_targets``); empty: the models run in the
            worker.
        triton_model: Name of the ensemble.
        triton_check_seconds: Time between two looks at Triton, seconds.
        golden_check_seconds: Time between two golden checks of Triton, seconds.
        receipt: What every score must carry.
        patience: Seconds for which a service or file system that fails is tried again.
        face_graphs: The networks that find landmarks, on OpenVINO; ``None`` for MediaPipe's own graph.
    """

    score: ScoreOptions
    design: Design
    limits: ImageLimits
    max_faces: int
    cores: int
    triton_targets: tuple[str, ...]
    triton_model: str
    triton_check_seconds: float
    golden_check_seconds: float
    receipt: str
    patience: float
    face_graphs: FaceGraphs | None = field(default=None, repr=False)


class Engine:
    """Scores blocks of inputs through the gateway's pipeline.

    Args:
        scorer: The pipeline.
        options: The worker's.
    """

    def __init__(self, scorer: Scorer, options: EngineOptions) -> None:
        self._scorer = scorer
        self._options = options
        self._log = structlog.get_logger("facestats.bulk")

    async def rows(self, block: Block) -> list[Row]:
        """Scores a block: one row an input, in their order.

        Raises:
            BulkError: The model server or a file system failed for longer than the patience, or another model answers.
        """
        # Twice the threads: while some images are decoded and measured, others are fetched or wait for the models.
        places = asyncio.Semaphore(2 * self._options.cores)
        rows: list[Row | None] = [None] * len(block.inputs)
        tasks: list[asyncio.Task[None]] = []

        async def fill(index: int, load: Load) -> None:
            try:
                rows[index] = await self._row(block.inputs[index], load)
            finally:
                places.release()

        loads = _loads(block, self._options.limits.max_bytes)
        try:
            while True:
                await places.acquire()
                following = await asyncio.to_thread(_next, loads)
                if following is None or any(task.done() and task.exception() for task in tasks):
                    break
                tasks.append(asyncio.create_task(fill(*following)))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [row for row in rows if row is not None]

    async def _row(self, item: ImageInput, load: Load) -> Row:
        try:
            data = await self._load(item, load)
        except Exception as error:
            if (fault := _input_fault(error)) is None:
                raise
            return problem_row(item, UNREADABLE, f"The file cannot be read ({fault}).")
        if data is None:
            return problem_row(item, UNREADABLE, "The row holds no image.")
        limit = self._options.limits.max_bytes
        if len(data) > limit:
            # The rest was not read, so the gateway's words, which give the size, would be wrong.
            kind = PROBLEM_TYPES["too-many-bytes"]
            return problem_row(item, kind, f"The image has more than the {limit:,} bytes that are allowed.")
        try:
            document = await self._score(data)
        except Problem as problem:
            return problem_row(item, problem.kind, problem.detail)
        if document.model.receipt != self._options.receipt:
            raise BulkError("the model changed during the run; run again with another output folder.")
        return scored_row(item, document)

    async def _load(self, item: ImageInput, load: Load) -> bytes | None:
        try:
            async for attempt in _patiently(self._options.patience, _may_pass):
                with attempt:
                    return await asyncio.to_thread(load)
        except Exception as error:
            if isinstance(error, BulkError) or _input_fault(error) is not None:
                raise
            # Every file system has its own exceptions; whichever it is, the run can go on later.
            raise BulkError(f"'{item.path}' cannot be read: {error!r}; run again to go on from here.") from error
        raise AssertionError("a retry ends with a result or an exception")

    async def _score(self, data: bytes) -> Any:
        try:
            async for attempt in _patiently(self._options.patience, _is_transient):
                with attempt:
                    return await self._scorer.score(data, self._options.score, Deadline(IMAGE_SECONDS), wait=True)
        except Problem as problem:
            if problem.code in TRANSIENT:
                raise BulkError(f"{problem.detail} Run again to go on from here.") from problem
            raise
        except Exception as error:
            # One image must not end a run over a million; what failed is in the worker's log.
            self._log.error("unexpected error", exc_info=error)
            raise Problem("internal-error", f"Scoring failed on this image ({type(error).__name__}).") from error
        raise AssertionError("a retry ends with a result or an exception")


@contextlib.asynccontextmanager
async def open_engine(options: EngineOptions, graphs: ServedGraphs | None) -> AsyncIterator[Engine]:
    """Builds an engine inside the running event loop and closes it at the end.

    Args:
        options: The worker's.
        graphs: The models to run here; ``None`` where Triton runs them.

    Raises:
        BulkError: The models do not load here, or answer differently than at their export.
    """
    engines = engines_of(options.face_graphs, options.cores)
    measurer = FaceMeasurer(options.cores, options.limits, options.max_faces, options.design.geometry, engines)
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(asyncio.to_thread, measurer.close)
        if graphs is None:
            scorer = await _triton_scorer(options, measurer, closing)
        else:
            try:
                backend = await asyncio.to_thread(OnnxBackend, graphs, options.cores)
                closing.callback(backend.close)
                await check_golden_case(backend, graphs.provenance)
            except HolisticError as error:
                raise BulkError(str(error)) from error
            scorer = Scorer(measurer, backend, ServedState(graphs.provenance), options.design)
        try:
            await asyncio.to_thread(measurer.warm_up)
        except LandmarkEngineError as error:
            raise BulkError(str(error)) from error
        yield Engine(scorer, options)


async def triton_provenance(options: EngineOptions) -> Provenance:
    """What Triton serves, after the checks that the gateway makes before it counts Triton as ready.

    Raises:
        BulkError: It is not ready.
    """
    client = TritonClient(options.triton_targets, options.triton_model)
    try:
        state = await TritonMonitor(client, check_seconds=1.0, golden_seconds=1.0).check()
    finally:
        await client.close()
    if not state.ready:
        raise BulkError(f"Triton at {', '.join(options.triton_targets)} cannot score: {state.reason}")
    return state.provenance


async def _triton_scorer(options: EngineOptions, measurer: FaceMeasurer, closing: contextlib.AsyncExitStack) -> Scorer:
    client = TritonClient(options.triton_targets, options.triton_model)
    closing.push_async_callback(client.close)
    monitor = TritonMonitor(
        client, check_seconds=options.triton_check_seconds, golden_seconds=options.golden_check_seconds
    )
    await monitor.check()
    watching = asyncio.create_task(monitor.run(), name="triton-monitor")

    async def stop_watching() -> None:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    closing.push_async_callback(stop_watching)
    return Scorer(measurer, client, monitor, options.design)


def _loads(block: Block, limit: int) -> Iterator[tuple[int, Load]]:
    """Position of each input and what fetches its bytes; files at once, then Parquet files one after another."""
    rows: dict[tuple[str, str], dict[int, int]] = {}
    for index, item in enumerate(block.inputs):
        if item.row is not None and item.column is not None:
            rows.setdefault((item.path, item.column), {})[item.row] = index
        else:
            yield index, functools.partial(read_file, item.path, limit)
    for (path, column), positions in rows.items():
        for row, data in read_rows(path, column, list(positions)):
            yield positions[row], functools.partial(_given, data)


def _next(loads: Iterator[tuple[int, Load]]) -> tuple[int, Load] | None:
    try:
        return next(loads, None)
    except BulkError:
        raise
    except Exception as error:
        # Parquet's and every file system's own exceptions; whichever it is, the run can go on later.
        raise BulkError(f"a Parquet file cannot be read: {error!r}; run again to go on from here.") from error


def _given(data: bytes | None) -> bytes | None:
    return data


def _patiently(seconds: float, may_pass: Callable[[BaseException], bool]) -> AsyncRetrying:
    return AsyncRetrying(
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.2, max=5.0),
        retry=retry_if_exception(may_pass),
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, BulkError) and _input_fault(error) is None


def _input_fault(error: BaseException) -> str | None:
    """What is wrong with an input; ``None`` where its file system fails, which may pass."""
    if isinstance(error, _INPUT_AT_FAULT) or (isinstance(error, OSError) and error.errno in _NAME_AT_FAULT):
        return error.strerror or type(error).__name__
    if isinstance(error, ValueError) and "null byte" in str(error):
        return "no file has such a name"
    # As aiohttp's exceptions have it, which fsspec lets through.
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 500 and status not in _PASSING_STATUSES:
        return f"the server answers {status}"
    return None


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, Problem) and error.code in TRANSIENT
