"""Outcomes of scoring many pictures, and the progress shown meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass

from facestats_client.errors import FaceStatsError
from facestats_client.images import ImageSource
from facestats_client.results import ScoreResult


@dataclass(frozen=True)
class Outcome:
    """What became of one picture of many: a result or an error, never both.

    Attributes:
        index: Position in the input.
        source: The picture as it was given.
        result: The answer, when there is one.
        error: Why there is none: the service's problem, or the file that could not be read.
    """

    index: int
    source: ImageSource
    result: ScoreResult | None = None
    error: FaceStatsError | OSError | None = None


@contextmanager
def progress_bar(images: Iterable[ImageSource], show: bool) -> Iterator[Callable[[], None]]:
    """A progress bar around a block; yields the function that advances it by one picture.

    Args:
        images: What is going to be scored; its length is the total when it has one.
        show: Whether to show anything.

    Raises:
        ImportError: ``show`` without the ``progress`` extra.
    """
    if not show:
        yield lambda: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError as error:
        raise ImportError("a progress bar needs rich: pip install facestats-client[progress]") from error
    total = len(images) if isinstance(images, Sized) else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Not on standard output, which may be going into a file.
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("Scoring", total=total)
        yield lambda: progress.advance(task)
