"""The Ray Data pipeline: blocks in, an actor pool that scores and writes them, receipts out."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.util.annotations import RayDeprecationWarning

from facestats.holistic.onnx import ServedGraphs
from facestats_bulk.blocks import BLOCK_ATTEMPTS, Block, Receipt
from facestats_bulk.cluster import Pool
from facestats_bulk.engine import EngineOptions
from facestats_bulk.errors import BulkError
from facestats_bulk.worker import BLOCK, BlockScorer

FAILED_BLOCKS = 3
"""Blocks that may be left without rows before the run ends: one such image must not keep the others from theirs."""


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
                if row["error"]:
                    raise BulkError(str(row["error"]))
                yield Receipt(
                    rows=int(row["rows"]),
                    problems=json.loads(str(row["problems"])),
                    seconds=float(row["seconds"]),
                    pid=int(row["pid"]),
                    node=str(row["node"]),
                )
        except ray.exceptions.RayError as error:
            raise _translate(error) from error


def _translate(error: BaseException) -> BulkError:
    """What a worker said as it started, or that one died."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, BulkError):
            return BulkError(str(seen))
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(error, ray.exceptions.RayActorError):
        return BulkError(f"more than {FAILED_BLOCKS} blocks ended their workers {BLOCK_ATTEMPTS} times each: {error}")
    return BulkError(f"a worker failed: {error}")
