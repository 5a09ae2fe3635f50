"""``facestats score``: scores photos through a running gateway."""

from __future__ import annotations

import base64
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import orjson
import typer
from rich.console import Console

from facestats.errors import FaceStatsError
from facestats.faces.options import Crop
from facestats.geometry import CaptureMode, Sex
from facestats_cli.failure import say_failure
from facestats_cli.score_tables import print_person, print_photo
from facestats_client import AddressError, FaceStatsClient, ProblemError, ScoreOptions, ServiceUnreachableError
from facestats_client.results import Answer, ScoreResult

NEXT_STEPS = {
    "unauthorized": "Give it with --api-key or FACESTATS_API_KEY.",
    "triton-unavailable": "On the machine that serves, `facestats doctor` looks for the cause.",
    "overloaded": "Try again in a moment.",
}
"""What a caller of this command can do about a problem, where the service's own words do not know."""

_Result = TypeVar("_Result", bound=Answer)

_PATIENCE = 60.0
"""Seconds an answer may take."""


def score(
    paths: Annotated[list[Path], typer.Argument(help="Image files.", metavar="PATH...")],
    url: Annotated[str, typer.Option(envvar="FACESTATS_URL", help="The gateway.")] = "http://127.0.0.1:8080",
    json: Annotated[bool, typer.Option("--json", help="Print the responses as JSON, one line a photo.")] = False,
    person: Annotated[
        bool, typer.Option("--person", help="The photos show one person: one score for all of them.")
    ] = False,
    faces: Annotated[Literal["largest", "all"], typer.Option(help="Which faces of a photo.")] = "largest",
    overlay: Annotated[
        Path | None, typer.Option(help="Folder for pictures with the measured lines; none there is overwritten.")
    ] = None,
    sex: Annotated[Sex | None, typer.Option(help="Parameter set; pooled if absent.")] = None,
    crop: Annotated[Crop, typer.Option(help="What CLIP sees.")] = "aligned",
    capture: Annotated[CaptureMode, typer.Option(help="Two-pass or one-pass landmarks.")] = "stable",
    api_key: Annotated[str | None, typer.Option(envvar="FACESTATS_API_KEY", help="API key, if one is needed.")] = None,
) -> None:
    """Prints each photo's score, its two halves and its measurements."""
    console = Console(markup=False, highlight=False)
    if person and (overlay is not None or faces == "all"):
        raise FaceStatsError(
            "--person takes the largest face of each photo and draws none: leave out --overlay, --faces."
        )
    if overlay is not None:
        try:
            overlay.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FaceStatsError(f"{overlay} cannot be a folder for pictures ({error.strerror}).") from None
    options = ScoreOptions(crop, faces, sex, capture, ("overlay",) if overlay is not None else ())
    try:
        client = FaceStatsClient(url, api_key=api_key, timeout=_PATIENCE, retries=0)
    except AddressError as error:
        raise FaceStatsError(str(error)) from None
    failures = 0
    with client:
        if person:
            together = _asked(lambda: client.score_person(paths, options), f"{len(paths)} photos together")
            if together is None:
                raise typer.Exit(1)
            if json:
                _print_json(together, paths=[str(path) for path in paths])
            else:
                print_person(console, paths, together)
            return
        for path in paths:
            result = _asked(lambda path=path: client.score(path, options), str(path))  # type: ignore[misc]
            if result is None:
                failures += 1
                continue
            if overlay is not None:
                print(f"{path}: {write_overlay(result, overlay, path.stem)}", file=sys.stderr)
            if json:
                _print_json(result, path=str(path))
            else:
                print_photo(console, path, result)
    if failures:
        raise typer.Exit(1)


def _asked(ask: Callable[[], _Result], of: str) -> _Result | None:
    """The answer, or ``None`` when it was said why there is none."""
    try:
        return ask()
    except OSError as error:
        name = f"{error.filename}: " if error.filename is not None and str(error.filename) != of else ""
        say_failure(f"{of}: {name}cannot be read ({error.strerror}).")
    except ServiceUnreachableError as error:
        say_failure(f"{of}: no answer ({error}). Start it with `facestats up`.")
    except ProblemError as problem:
        if not problem.code:
            say_failure(f"{of}: the service answered {problem.status}; is it a FaceStats gateway?")
        else:
            say_failure(f"{of}: {problem.detail} {NEXT_STEPS.get(problem.code, '')}".rstrip())
    return None


def write_overlay(result: ScoreResult, folder: Path, stem: str) -> Path:
    """Writes the first face's picture with the measured lines, beside those that are there, and returns where.

    Raises:
        FaceStatsError: It cannot be written.
    """
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    path = next(path for name in names if not (path := folder / f"{name}.jpg").exists())
    try:
        path.write_bytes(base64.b64decode((result.face.overlay or "").partition(",")[2]))
    except OSError as error:
        raise FaceStatsError(f"{path} cannot be written ({error.strerror}).") from None
    return path


def _print_json(answer: Answer, **first: object) -> None:
    print(orjson.dumps({**first, **answer.model_dump(mode="json")}).decode())
