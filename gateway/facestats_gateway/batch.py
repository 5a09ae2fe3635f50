"""Many photos, answered one line each, in the order they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import orjson
import structlog

from facestats.deadline import Deadline
from facestats.faces.options import ScoreOptions
from facestats.problems import Problem
from facestats.scoring.pipeline import PhotoScorer
from facestats.scoring.schemas import BatchScoreDocument, ScoreDocument
from facestats_gateway.metrics import Metrics

NDJSON_MEDIA_TYPE = "application/x-ndjson"


class BatchScorer:
    """Scores the images of one request side by side, a few at a time.

    Args:
        scorer: What photos are handed to.
        concurrency: Images scored at a time; no further one starts before the client has taken a finished line.
        metrics: Where problem lines are counted.
    """

    def __init__(self, scorer: PhotoScorer, concurrency: int, metrics: Metrics) -> None:
        self._scorer = scorer
        self._concurrency = concurrency
        self._metrics = metrics
        self._log = structlog.get_logger("facestats.batch")

    async def lines(
        self, images: Sequence[bytes], options: ScoreOptions, deadline: Deadline
    ) -> AsyncGenerator[bytes, None]:
        """Yields one JSON line an image as it is ready; closing the generator drops what is left.

        Args:
            images: Encoded images; whatever is wrong with one is its own line's problem.
            options: The same for all.
            deadline: One budget for the whole batch.
        """
        waiting = iter(enumerate(images))
        running: set[asyncio.Task[bytes]] = set()
        try:
            while True:
                while len(running) < self._concurrency and (item := next(waiting, None)) is not None:
                    running.add(asyncio.create_task(self._line(*item, options, deadline)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _line(self, index: int, image: bytes, options: ScoreOptions, deadline: Deadline) -> bytes:
        try:
            document = await self._scorer.score(image, options, deadline, wait=True)
        except Problem as problem:
            return self._problem_line(index, problem)
        except Exception as error:
            self._log.error("unexpected error", index=index, exc_info=error)
            return self._problem_line(index, Problem("internal-error", "The service failed on this image."))
        return await asyncio.to_thread(_line, index, document) if options.large_answer else _line(index, document)

    def _problem_line(self, index: int, problem: Problem) -> bytes:
        self._metrics.problem(problem.code)
        return orjson.dumps({"index": index, "problem": problem.document()}, option=orjson.OPT_APPEND_NEWLINE)


def _line(index: int, document: ScoreDocument) -> bytes:
    return BatchScoreDocument(index=index, **dict(document)).model_dump_json().encode() + b"\n"
