"""One bulk run from inputs to a complete folder."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from facestats.faces.options import ScoreOptions
from facestats.holistic.onnx import ServedGraphs, read_served_graphs
from facestats.landmarks.engines import LandmarkEngineError, choose_graphs, engines_of
from facestats.models.configuration import RepositoryError
from facestats.places import default_repository
from facestats.scoring.receipt import receipt
from facestats.settings import ScoringSettings
from facestats_bulk.blocks import Receipt, split_blocks
from facestats_bulk.cluster import Pool, choose_pool, node_cpus, ray_session
from facestats_bulk.engine import EngineOptions, triton_provenance
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput, list_inputs
from facestats_bulk.output import OutputFolder

ROUND_INPUTS = 200_000
"""Inputs listed and handed to Ray at a time: the driver's memory does not grow with the collection."""

ROWS_A_FILE = 128
"""Most rows of an output file: what a dying worker may have to score again."""

_BLOCKS_A_WORKER = 8
"""Least number of blocks for each worker where there is enough to do, so that all end at about the same time."""


@dataclass(frozen=True)
class BulkOptions:
    """What to score and how.

    Attributes:
        inputs: Folders, globs, files, Parquet files; paths or URLs.
        output: Folder for the Parquet files; path or URL.
        score: As a caller of the gateway would choose.
        repository: Model repository whose live version runs in the workers.
        use_triton: Whether Triton (at ``settings.triton_urls``) runs the models instead.
        column: Column of Parquet files with bytes or paths.
        id_column: Column of Parquet files with ids.
        address: Ray cluster; ``None`` starts Ray here.
        workers: Number of workers; as many as fit if absent.
        cpus: CPUs of each worker.
        rows_per_file: Most rows of an output file.
        patience: Seconds for which a failing model server or file system is tried again.
        settings: As the gateway's: limits, blend, geometry, where Triton is.
        allow: Further folders, paths or URLs, below which rows of Parquet files may name images.
    """

    inputs: Sequence[str]
    output: str
    score: ScoreOptions = field(default_factory=ScoreOptions)
    repository: Path = field(default_factory=default_repository)
    use_triton: bool = False
    column: str | None = None
    id_column: str | None = None
    address: str | None = None
    workers: int | None = None
    cpus: int | None = None
    rows_per_file: int = ROWS_A_FILE
    patience: float = 120.0
    settings: ScoringSettings = field(default_factory=ScoringSettings)
    allow: Sequence[str] = ()


@dataclass
class Summary:
    """What a run did.

    Attributes:
        inputs: Distinct inputs found.
        repeated: Inputs that came more than once.
        skipped: Files in folders that are not named like an image or Parquet file.
        first_skipped: One of them.
        done_before: Inputs with a row of an earlier run.
        scored: Rows with a score, written by this run.
        problems: Problem code to rows written by this run.
        files: Files written by this run.
        seconds: Time from the workers' start to the last block's end.
        nodes: Ray nodes that took part.
        pool: The workers; ``None`` when there was nothing to do.
        weights: ``trained``, ``untrained`` or ``unknown``.
        output: Where the rows are.
    """

    inputs: int = 0
    repeated: int = 0
    skipped: int = 0
    first_skipped: str = ""
    done_before: int = 0
    scored: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    files: int = 0
    seconds: float = 0.0
    nodes: set[str] = field(default_factory=set)
    pool: Pool | None = None
    weights: str = "unknown"
    output: str = ""

    @property
    def written(self) -> int:
        """Rows written by this run."""
        return self.scored + self.problems.total()

    @property
    def missing(self) -> int:
        """Inputs without a row."""
        return self.inputs - self.done_before - self.written

    @property
    def rate(self) -> float:
        """Rows a second; 0 when nothing was to do."""
        return self.written / self.seconds if self.seconds else 0.0


Observer = Callable[[Summary, Receipt | None], None]
"""Called with the counts so far: once what is to do is known, then after every block."""


def run_bulk(options: BulkOptions, observe: Observer = lambda summary, receipt: None) -> Summary:
    """Scores what has no row yet.

    Args:
        options: What to score and how.
        observe: Told of the progress.

    Raises:
        BulkError: The run cannot start or go on; what is written stays, and another run goes on from there.
    """
    graphs = None if options.use_triton else _served_graphs(options.repository)
    engine = engine_options(options)
    provenance = asyncio.run(triton_provenance(engine)) if graphs is None else graphs.provenance
    engine = replace(engine, receipt=receipt(provenance, engine.design))
    identity = _identity(engine)
    output = OutputFolder(options.output, identity)
    summary = Summary(weights=provenance.weights, output=output.url)
    finished = output.prepare()
    missing = _missing(options, finished.keys, summary)
    first = list(itertools.islice(missing, ROUND_INPUTS))
    if not first:
        observe(summary, None)
        return summary
    with ray_session(options.address, graphs.size if graphs is not None else 0):
        # Ray is loaded by the session, which says first how.
        from facestats_bulk.pool import WorkerPool

        pool = summary.pool = choose_pool(node_cpus(), options.workers, options.cpus)
        workers = WorkerPool(pool, replace(engine, cores=pool.cpus), output.url, identity, graphs)
        start = time.perf_counter()
        for inputs in _rounds(first, missing):
            observe(summary, None)
            for done in workers.score(split_blocks(inputs, _block_size(len(inputs), pool, options.rows_per_file))):
                summary.problems.update(done.problems)
                summary.scored += done.rows - sum(done.problems.values())
                summary.files += 1
                summary.nodes.add(done.node)
                summary.seconds = time.perf_counter() - start
                observe(summary, done)
    return summary


def _served_graphs(repository: Path) -> ServedGraphs:
    try:
        return read_served_graphs(repository)
    except RepositoryError as error:
        raise BulkError(f"{error} Another way is --triton-urls.") from error


def engine_options(options: BulkOptions) -> EngineOptions:
    """What a worker of one core needs to know; the receipt is not known yet.

    Raises:
        BulkError: Landmarks cannot be found as the settings ask.
    """
    settings = options.settings
    networks = settings.face_networks if options.use_triton else options.repository
    try:
        face_graphs = choose_graphs(settings.landmarks, networks)
    except LandmarkEngineError as error:
        raise BulkError(str(error)) from error
    return EngineOptions(
        score=options.score,
        # A score without its holistic half is no score here, whatever the gateway may answer while Triton is away.
        design=replace(settings.design(engines_of(face_graphs, 1).name), degrade=False),
        limits=settings.image_limits,
        max_faces=settings.max_faces,
        cores=1,
        triton_targets=settings.triton_targets if options.use_triton else (),
        triton_model=settings.triton_model,
        triton_check_seconds=settings.triton_check_seconds,
        golden_check_seconds=settings.golden_check_seconds,
        receipt="",
        patience=options.patience,
        face_graphs=face_graphs,
    )


def _identity(engine: EngineOptions) -> dict[str, Any]:
    """What scores must share to stand in one folder: everything that decides what is in a row."""
    return {
        "model": engine.receipt,
        "crop": engine.score.crop,
        "faces": "all" if engine.score.all_faces else "largest",
        "sex": engine.score.sex or "pooled",
        "capture": engine.score.capture,
        "include": sorted(engine.score.include),
        "limits": asdict(engine.limits) | {"max_faces": engine.max_faces},
    }


def _missing(options: BulkOptions, done: set[bytes], summary: Summary) -> Iterator[ImageInput]:
    """Inputs without a row, each once; counts as it goes."""
    seen: set[bytes] = set()

    def skip(path: str) -> None:
        summary.skipped += 1
        summary.first_skipped = summary.first_skipped or path

    for item in list_inputs(options.inputs, options.column, options.id_column, options.output, options.allow, skip):
        key = item.key
        if key in seen:
            summary.repeated += 1
            continue
        seen.add(key)
        summary.inputs += 1
        if key in done:
            summary.done_before += 1
        else:
            yield item


def _rounds(first: list[ImageInput], rest: Iterable[ImageInput]) -> Iterator[list[ImageInput]]:
    rest = iter(rest)
    inputs = first
    while inputs:
        yield inputs
        inputs = list(itertools.islice(rest, ROUND_INPUTS))


def _block_size(inputs: int, pool: Pool, most: int) -> int:
    return max(1, min(most, -(-inputs // (pool.workers * _BLOCKS_A_WORKER))))
