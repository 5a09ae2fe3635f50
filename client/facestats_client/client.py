"""The client and its asynchronous twin; both only move what ``requests`` builds and reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import httpx

from facestats_client.errors import FaceStatsError
from facestats_client.images import ImageSource
from facestats_client.outcomes import Outcome, progress_bar
from facestats_client.requests import (
    MODEL_PATH,
    NO_RETRY,
    PERSON_PATH,
    READY_PATH,
    SCORE_PATH,
    ScoreOptions,
    client_arguments,
    person_arguments,
    read_model,
    read_person,
    read_score,
    score_arguments,
    transport_errors,
)
from facestats_client.results import ModelInfo, PersonResult, ScoreResult

DEFAULT_URL = "http://127.0.0.1:8080"


class FaceStatsClient:
    """Scores face photos over HTTP; safe to share between threads, to be closed (or used in a ``with``).

    Args:
        url: The service, e.g. ``http://127.0.0.1:8080``.
        api_key: Sent as ``Authorization: Bearer``.
        timeout: Seconds for each try, and unless ``patience`` is given at most as many for all waits between tries.
        retries: Further tries after 429, 503 and lost connections, no sooner than ``Retry-After`` asks; where that is
            longer than there is time for, the problem is raised at once.
        patience: Seconds for all waits between tries, for long jobs; those try again after 502 and 504 too.

    Raises:
        AddressError: ``url`` does not begin with ``http://`` or ``https://``.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 3,
        patience: float | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(**client_arguments(self.url, api_key, timeout, retries, patience))

    def __enter__(self) -> FaceStatsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def score(self, image: ImageSource, options: ScoreOptions | None = None) -> ScoreResult:
        """Scores one picture.

        Args:
            image: A path, an encoded file's bytes, a PIL image, or a [H, W, 3] uint8 RGB array.
            options: What to ask for.

        Raises:
            ProblemError: The service refused; its subclass says why (``NoFaceError``, ``ImageRefusedError``, ...).
            ServiceUnreachableError: There was no answer.
            OSError: The file cannot be read.
        """
        arguments = score_arguments(image, options)
        with transport_errors(self.url):
            return read_score(self._http.post(SCORE_PATH, **arguments))

    def score_person(self, images: Iterable[ImageSource], options: ScoreOptions | None = None) -> PersonResult:
        """Scores several pictures of one person together; that they show one person is your word.

        Args:
            images: 2 to 12 pictures, as for ``score``; the largest face of each counts.
            options: The same for all.

        Raises:
            ProblemError: The service refused (``NoFaceError``: no picture supports a score).
            ServiceUnreachableError: There was no answer.
            OSError: A file cannot be read.
            ValueError: The options ask for ``faces`` or ``include``.
        """
        arguments = person_arguments(images, options)
        with transport_errors(self.url):
            return read_person(self._http.post(PERSON_PATH, **arguments))

    def score_many(
        self,
        images: Iterable[ImageSource],
        options: ScoreOptions | None = None,
        *,
        concurrency: int = 4,
        progress: bool = False,
    ) -> Iterator[Outcome]:
        """Scores many pictures, in their order; one that fails becomes an ``Outcome`` with its error.

        Args:
            images: Taken as they are needed, so a generator over a million files is fine.
            options: The same for all.
            concurrency: Requests at a time.
            progress: Whether to show a progress bar on standard error (needs the ``progress`` extra).

        Raises:
            ValueError: ``concurrency`` is below 1.
            TypeError: Something among ``images`` is no picture.
        """
        pending: deque[Future[Outcome]] = deque()
        with progress_bar(images, progress) as advance, ThreadPoolExecutor(concurrency) as pool:
            try:
                for index, source in enumerate(images):
                    pending.append(pool.submit(self._outcome, index, source, options))
                    # Twice the workers: they stay busy while the oldest picture is slow.
                    if len(pending) >= 2 * concurrency:
                        yield pending.popleft().result()
                        advance()
                while pending:
                    yield pending.popleft().result()
                    advance()
            finally:
                # Whoever stops early does not wait for pictures that nobody has sent yet.
                for future in pending:
                    future.cancel()

    def model(self) -> ModelInfo:
        """What the service serves.

        Raises:
            FaceStatsError: As for ``score``.
        """
        with transport_errors(self.url):
            return read_model(self._http.get(MODEL_PATH))

    def is_ready(self) -> bool:
        """Whether the service can score now; ``False`` too when it cannot be reached."""
        try:
            return self._http.get(READY_PATH, extensions=NO_RETRY).is_success
        except httpx.TransportError:
            return False

    def _outcome(self, index: int, source: ImageSource, options: ScoreOptions | None) -> Outcome:
        try:
            return Outcome(index, source, result=self.score(source, options))
        except (FaceStatsError, OSError) as error:
            return Outcome(index, source, error=error)


class AsyncFaceStatsClient:
    """The asynchronous twin of ``FaceStatsClient``: same arguments, same methods, to be awaited."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 3,
        patience: float | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(**client_arguments(self.url, api_key, timeout, retries, patience))

    async def __aenter__(self) -> AsyncFaceStatsClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def score(self, image: ImageSource, options: ScoreOptions | None = None) -> ScoreResult:
        """Scores one picture; see ``FaceStatsClient.score``."""
        # Reading or encoding a large picture would hold up the event loop.
        arguments = await asyncio.to_thread(score_arguments, image, options)
        with transport_errors(self.url):
            return read_score(await self._http.post(SCORE_PATH, **arguments))

    async def score_person(self, images: Iterable[ImageSource], options: ScoreOptions | None = None) -> PersonResult:
        """Scores several pictures of one person together; see ``FaceStatsClient.score_person``."""
        arguments = await asyncio.to_thread(person_arguments, images, options)
        with transport_errors(self.url):
            return read_person(await self._http.post(PERSON_PATH, **arguments))

    async def score_many(
        self,
        images: Iterable[ImageSource],
        options: ScoreOptions | None = None,
        *,
        concurrency: int = 4,
        progress: bool = False,
    ) -> AsyncIterator[Outcome]:
        """Scores many pictures, in their order; see ``FaceStatsClient.score_many``."""
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        slots = asyncio.Semaphore(concurrency)
        pending: deque[asyncio.Task[Outcome]] = deque()
        with progress_bar(images, progress) as advance:
            try:
                for index, source in enumerate(images):
                    pending.append(asyncio.create_task(self._outcome(index, source, options, slots)))
                    if len(pending) >= 2 * concurrency:
                        yield await pending.popleft()
                        advance()
                while pending:
                    yield await pending.popleft()
                    advance()
            finally:
                for task in pending:
                    task.cancel()

    async def model(self) -> ModelInfo:
        """What the service serves; see ``FaceStatsClient.model``."""
        with transport_errors(self.url):
            return read_model(await self._http.get(MODEL_PATH))

    async def is_ready(self) -> bool:
        """Whether the service can score now; see ``FaceStatsClient.is_ready``."""
        try:
            return (await self._http.get(READY_PATH, extensions=NO_RETRY)).is_success
        except httpx.TransportError:
            return False

    async def _outcome(
        self, index: int, source: ImageSource, options: ScoreOptions | None, slots: asyncio.Semaphore
    ) -> Outcome:
        async with slots:
            try:
                return Outcome(index, source, result=await self.score(source, options))
            except (FaceStatsError, OSError) as error:
                return Outcome(index, source, error=error)
