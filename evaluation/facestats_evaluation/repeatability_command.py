"""``facestats repeatability``: how well scores repeat, as data for the intervals beside them."""

from __future__ import annotations

import datetime
import shlex
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from facestats import errors


def repeatability(
    folders: Annotated[list[Path], typer.Argument(help="Folders of portraits, one face each.", metavar="FOLDER...")],
    output: Annotated[Path, typer.Option(help="Where to write it (FACESTATS_REPEATABILITY names it to the service).")],
    url: Annotated[
        str | None, typer.Option(help="A running service, whose holistic half is measured too (slow).")
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="FACESTATS_API_KEY", help="API key, if one is needed.")] = None,
) -> None:
    """Measures portraits again and again under small changes and writes how much the scores move."""
    from rich.progress import Progress

    from facestats_client import FaceStatsClient, FaceStatsError
    from facestats_evaluation.repeatability import document, summarise
    from facestats_evaluation.repeated_scores import geometric_changes, holistic_changes

    photos = [path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()]
    if not photos:
        raise errors.FaceStatsError(f"there is no file in {', '.join(map(str, folders))}.")
    try:
        with Progress() as progress:
            task = progress.add_task("geometric half", total=len(photos))
            geometric = summarise(geometric_changes(photos, lambda: progress.advance(task)))
            holistic = None
            if url is not None:
                task = progress.add_task("holistic half", total=len(photos))
                with FaceStatsClient(url, api_key=api_key) as client:
                    holistic = summarise(holistic_changes(photos, client, lambda: progress.advance(task)))
    except (FaceStatsError, ValueError) as error:
        raise errors.FaceStatsError(str(error)) from None
    source = {
        "command": shlex.join(["facestats", *(Path(word).name if "/" in word else word for word in sys.argv[1:])]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "files": len(photos),
    }
    output.write_bytes(
        orjson.dumps(document(geometric, holistic, source), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    print(
        f"{output}: {len(geometric[0])} kinds of geometric and {len(holistic[0]) if holistic else 0} of holistic scores"
    )
