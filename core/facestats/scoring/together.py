"""The crops of several photos that are scored side by side, asked for in one call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facestats.holistic.backend import Holistic, HolisticBackend, HolisticDeadlineError
from facestats.images.settings import MOST_FACES


@dataclass(frozen=True)
class _Question:
    """A photo that waits for the others.

    Attributes:
        pixels: [N, 224, 224, 3] uint8.
        timeout: Seconds.
        embedding: Whether it wants embeddings.
        attributes: The attribute heads it wants.
        answer: Where its answer goes.
    """

    pixels: NDArray[np.uint8]
    timeout: float
    embedding: bool
    attributes: tuple[str, ...]
    answer: asyncio.Future[Holistic]


class Together:
    """Photos that were taken in together ask for their holistic halves together, in one call.

    The call is made when each photo has either asked or left (there was no face in it, say). Used inside one event
    loop.

    Args:
        backend: What is asked.
        photos: Number of photos.
    """

    def __init__(self, backend: HolisticBackend, photos: int) -> None:
        self._backend = backend
        self._awaited = photos
        self._questions: list[_Question] = []
        self._calls: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def seat(self) -> Iterator[HolisticBackend]:
        """The backend of one photo; it has left when the block ends."""
        seat = _Seat(self)
        try:
            yield seat
        finally:
            seat.leave()

    def ask(self, question: _Question) -> None:
        """Takes a photo's question."""
        self._questions.append(question)

    def leave(self) -> None:
        """One photo less to wait for."""
        self._awaited -= 1
        if self._awaited > 0:
            return
        for questions in _calls(self._questions):
            call = asyncio.create_task(self._ask(questions))
            # The loop itself holds tasks by weak references only.
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        self._questions = []

    async def _ask(self, questions: Sequence[_Question]) -> None:
        try:
            answer = await self._backend.infer(
                np.concatenate([question.pixels for question in questions]),
                timeout=max(question.timeout for question in questions),
                embedding=any(question.embedding for question in questions),
                attributes=tuple(dict.fromkeys(name for question in questions for name in question.attributes)),
            )
        except Exception as error:  # Whatever it is, it is for those who wait.
            for question in questions:
                if not question.answer.done():
                    question.answer.set_exception(error)
            return
        start = 0
        for question in questions:
            end = start + len(question.pixels)
            if not question.answer.done():
                question.answer.set_result(_part(answer, slice(start, end), question))
            start = end


class _Seat:
    """One photo's place among those that ask together: a ``HolisticBackend``."""

    def __init__(self, together: Together) -> None:
        self._together = together
        self._left = False

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        """Waits for the other photos and returns this one's part of the answer.

        Args:
            pixels: [N, 224, 224, 3] uint8 RGB.
            timeout: Seconds.
            embedding: Whether to return the embeddings too.
            attributes: Names of the attribute heads to run.

        Raises:
            HolisticDeadlineError: The photo's caller has gone.
            Exception: What the backend raises; every photo of a call that failed gets it.
        """
        if self._left:
            raise HolisticDeadlineError("Nobody waits for this photo any more.")
        answer: asyncio.Future[Holistic] = asyncio.get_running_loop().create_future()
        self._together.ask(_Question(pixels, timeout, embedding, attributes, answer))
        self.leave()
        return await answer

    def leave(self) -> None:
        """Says that this photo is not waited for any more: it has asked, or it will not ask."""
        if not self._left:
            self._left = True
            self._together.leave()


def _calls(questions: Sequence[_Question]) -> list[list[_Question]]:
    """The questions in as few calls as Triton's largest batch allows; a photo's faces stay together."""
    calls: list[list[_Question]] = []
    room = 0
    for question in questions:
        if len(question.pixels) > room:
            calls.append([])
            room = MOST_FACES
        calls[-1].append(question)
        room -= len(question.pixels)
    return calls


def _part(answer: Holistic, rows: slice, question: _Question) -> Holistic:
    embedding = answer.embedding[rows] if question.embedding and answer.embedding is not None else None
    return Holistic(
        score=answer.score[rows],
        raw=answer.raw[rows],
        embedding=embedding,
        attributes={
            name: (labels[rows], probabilities[rows])
            for name, (labels, probabilities) in answer.attributes.items()
            if name in question.attributes
        },
    )
