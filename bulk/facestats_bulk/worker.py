"""The Ray actor: one engine for its life, one block a call, one file a block."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import ray

from facestats.holistic.onnx import ServedGraphs
from facestats.logging import configure_logging
from facestats_bulk.blocks import Block
from facestats_bulk.engine import EngineOptions, open_engine
from facestats_bulk.errors import BulkError
from facestats_bulk.output import BlockCounts, OutputFolder, count_rows
from facestats_bulk.schema import output_schema

Batch = dict[str, Any]
T = TypeVar("T")

BLOCK = "block"
"""The input's one column: a block as text."""


class BlockScorer:
    """Scores a block and writes its file, then says what became of it.

    A call is repeated when its worker dies: a file that is there is the same block's, complete, and stays.

    Args:
        options: For the engine.
        output: Path or URL of the output folder.
        identity: What all its rows have in common.
        graphs: Object reference of the ``ServedGraphs`` to run in this process; ``None`` with Triton.
    """

    def __init__(
        self,
        options: EngineOptions,
        output: str,
        identity: Mapping[str, Any],
        graphs: ray.ObjectRef[ServedGraphs] | None,
    ) -> None:
        configure_logging("warning", "json")
        self._output = OutputFolder(output, identity)
        # Ray decides which of its threads a call runs on; the engine's event loop has one of its own.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="engine", daemon=True).start()
        self._closing = contextlib.AsyncExitStack()
        served = None if graphs is None else ray.get(graphs)
        self._engine = self._run(self._closing.enter_async_context(open_engine(options, served)))

    def __call__(self, batch: Batch) -> Batch:
        """Takes one block, returns one receipt; its ``error`` says why the block has no file."""
        start = time.perf_counter()
        counts, error = BlockCounts(0), ""
        try:
            counts = self._finish(Block.from_json(str(batch[BLOCK][0])))
        except BulkError as failure:
            error = str(failure)
        return {
            "rows": np.array([counts.rows]),
            "problems": np.array([json.dumps(dict(counts.problems))], object),
            "error": np.array([error], object),
            "seconds": np.array([time.perf_counter() - start]),
            "pid": np.array([os.getpid()]),
            "node": np.array([ray.get_runtime_context().get_node_id()], object),
        }

    def _finish(self, block: Block) -> BlockCounts:
        try:
            counts = self._output.counts(block.file_name)
            if counts is not None:
                return counts
            table = pa.Table.from_pylist(self._run(self._engine.rows(block)), output_schema())
            self._output.write(block.file_name, table)
        except OSError as error:
            raise BulkError(f"'{self._output.url}' cannot be written to: {error}; run again to go on.") from error
        return count_rows(table)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
