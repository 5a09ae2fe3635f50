"""The Ray Data pipeline: blocks in, an actor pool that scores and writes them, receipts out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.util.annotations import RayDeprecationWarning

from bulk.blocks import Block
from bulk.cluster import Pool
from bulk.engine import EngineOptions
from bulk.errors import BulkError
from bulk.onnx_backend import ServedGraphs
from bulk.worker import BLOCK, BlockScorer

BLOCK_ATTEMPTS = 3
"""How often a block is tried whose worker dies; an image that kills its worker must not do so for ever."""

FAILED_BLOCKS = 3
"""Blocks that may be left without rows before the run ends: one such image must not keep the others from theirs."""


@dataclass(frozen=True)
class Receipt:
    """What a worker says of a finished block.

    Attributes:
        rows: Rows written.
        problems: Problem code to number of rows.
        seconds: Time the block took.
        pid: The worker's process.
        node: The worker's Ray node.
    """

    rows: int
    problems: Mapping[str, int]
    seconds: float
    pid: int
    node: str


class WorkerPool:
    """Workers that score blocks; needs a Ray session.

    Args:
        pool: Their number and size.
        options: For each one's engine.
        output: Path or URL of the output folder.
        identity: What all its rows have in common.
        graphs: The models to run in the workers; ``None`` with Triton.
    """

    def __init__(
        self,
        pool: Pool,
        options: EngineOptions,
        output: str,
        identity: Mapping[str, Any],
        graphs: ServedGraphs | None,
    ) -> None:
        self._pool = pool
        self._gpus = 1 if graphs is not None and graphs.needs_gpu else 0
        self._arguments = {
            "options": options,
            "output": output,
            "identity": identity,
            # Once in the object store, and from there once to each node.
            "graphs": None if graphs is None else ray.put(graphs),
        }

    def score(self, blocks: Sequence[Block]) -> Iterator[Receipt]:
        """Scores blocks and yields a receipt as each is written, in any order.

        Raises:
            BulkError: A block could not be finished.
        """
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = FAILED_BLOCKS
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        dataset = ray.data.from_items([{BLOCK: block.to_json()} for block in blocks], override_num_blocks=len(blocks))
        with warnings.catch_warnings():
            # Ray 2.64 will know the number of attempts by another name; pyproject.toml holds Ray below it.
            warnings.simplefilter("ignore", RayDeprecationWarning)
            scored = dataset.map_batches(
                BlockScorer,
                batch_size=1,
                fn_constructor_kwargs=self._arguments,
                # The second block waits at the worker, so that it does not idle between two.
                compute=ActorPoolStrategy(size=min(self._pool.workers, len(blocks)), max_tasks_in_flight_per_actor=2),
                num_cpus=self._pool.cpus,
                num_gpus=self._gpus,
                max_task_retries=BLOCK_ATTEMPTS - 1,
            )
        try:
            for row in scored.iter_rows():
                yield Receipt(
                    rows=int(row["rows"]),
                    problems=_problems(str(row["problems"])),
                    seconds=float(row["seconds"]),
                    pid=int(row["pid"]),
                    node=str(row["node"]),
                )
        except ray.exceptions.RayError as error:
            raise _translate(error) from error


def _problems(text: str) -> dict[str, int]:
    pairs = (item.split("=") for item in text.split(";") if item)
    return {code: int(count) for code, count in pairs}


def _translate(error: BaseException) -> BulkError:
    """The worker's own error where there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BulkError):
            return BulkError(str(seen))
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(error, ray.exceptions.RayActorError):
        return BulkError(
            f"a worker died {BLOCK_ATTEMPTS} times over the same block ({error}); run again to go on with the others."
        )
    return BulkError(f"a worker failed: {error}")
