"""``facestats score``: scores photos through a running gateway."""

from __future__ import annotations

import base64
import itertools
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facestats.errors import FaceStatsError
from facestats.faces.options import Crop
from facestats.geometry import CaptureMode, Sex
from facestats.loopback import is_loopback
from facestats.problems import PROBLEM_URN
from facestats_cli.failure import say_failure


def score(
    paths: Annotated[list[Path], typer.Argument(help="Image files.", metavar="PATH...")],
    url: Annotated[str, typer.Option(envvar="FACESTATS_URL", help="The gateway.")] = "http://127.0.0.1:8080",
    json: Annotated[bool, typer.Option("--json", help="Print the responses as JSON, one line a photo.")] = False,
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
    parameters: dict[str, str] = {"crop": crop, "capture": capture}
    if sex is not None:
        parameters["sex"] = sex
    if overlay is not None:
        parameters["include"] = "overlay"
        try:
            overlay.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FaceStatsError(f"{overlay} cannot be a folder for pictures ({error.strerror}).") from None
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        client = httpx.Client(base_url=url, timeout=60, headers=headers, trust_env=not is_loopback(url))
    except httpx.InvalidURL as error:
        raise FaceStatsError(
            f"'{url}' is no address ({error}); give the gateway's, such as http://127.0.0.1:8080."
        ) from None
    failures = 0
    with client:
        for path in paths:
            try:
                document = request_score(client, path, parameters)
            except ScoreError as error:
                failures += 1
                say_failure(f"{path}: {error}")
                continue
            if overlay is not None:
                written = write_overlay(document, overlay, path.stem)
                print(f"{path}: {written}", file=sys.stderr)
            if json:
                print(orjson.dumps({"path": str(path), **document}).decode())
            else:
                print_table(console, path, document)
    if failures:
        raise typer.Exit(1)


NEXT_STEPS = {
    "unauthorized": "Give it with --api-key or FACESTATS_API_KEY.",
    "triton-unavailable": "On the machine that serves, `facestats doctor` looks for the cause.",
    "overloaded": "Try again in a moment.",
}
"""What a caller of this command can do about a problem, where the service's own words do not know."""


class ScoreError(Exception):
    """One photo could not be scored; the message is one sentence."""


def request_score(client: httpx.Client, path: Path, parameters: dict[str, str]) -> dict[str, Any]:
    """Asks the gateway for one photo's score.

    Raises:
        ScoreError: The file cannot be read, the gateway cannot be reached, or it answered with a problem.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ScoreError(f"cannot be read ({error.strerror}).") from None
    try:
        answer = client.post("/v1/score", params=parameters, files={"image": (path.name, data)})
    except httpx.TransportError as error:
        raise ScoreError(
            f"no answer from {client.base_url} ({error}); is it running? Start it with `facestats up`."
        ) from None
    if answer.status_code != 200:
        raise ScoreError(problem_sentence(answer))
    document: dict[str, Any] = answer.json()
    return document


def problem_sentence(answer: httpx.Response) -> str:
    """What a problem document says, or the status where there is none."""
    if "json" not in answer.headers.get("content-type", ""):
        return f"the service answered {answer.status_code}; is {answer.url.copy_with(path='/')} a FaceStats gateway?"
    document = answer.json()
    step = NEXT_STEPS.get(str(document.get("type", "")).removeprefix(PROBLEM_URN), "")
    return f"{document.get('detail', answer.text)} {step}".rstrip()


def write_overlay(document: dict[str, Any], folder: Path, stem: str) -> Path:
    """Writes the first face's picture with the measured lines, beside those that are there, and returns where.

    Raises:
        typer.Exit: It cannot be written; it has said why.
    """
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    path = next(path for name in names if not (path := folder / f"{name}.jpg").exists())
    try:
        path.write_bytes(base64.b64decode(document["faces"][0]["overlay"].partition(",")[2]))
    except OSError as error:
        raise FaceStatsError(f"{path} cannot be written ({error.strerror}).") from None
    return path


def print_table(console: Console, path: Path, document: dict[str, Any]) -> None:
    """Prints one photo's answer for a person."""
    for face in document["faces"]:
        geometric, holistic = face["geometric"], face["holistic"]
        console.print(
            Text.assemble(
                *("\n", (str(path), "bold"), "  score ", (_points(face["score"]), "bold"), " = "),
                f"{face['blend']['geometric']:g} x geometric {_points(geometric['score'])} + ",
                f"{face['blend']['holistic']:g} x holistic {_points(holistic and holistic['score'])}",
            )
        )
        quality = face["quality"]
        console.print(f"reliability {quality['reliability']:.0f} ({quality['level']})", style="dim")
        for warning in quality["warnings"]:
            console.print(f"! {warning}", style="yellow")
        table = Table(box=None, pad_edge=False)
        for heading in ("group", "metric", "value", "unit", "score", "percentile"):
            table.add_column(heading, justify="right" if heading in ("value", "score", "percentile") else "left")
        for metric in geometric["metrics"]:
            value = metric["reason"] if metric["value"] is None else f"{metric['value']:.4g}"
            table.add_row(
                metric["group"],
                metric["title"],
                value,
                metric["unit"],
                _points(metric["score"]),
                _points(metric["percentile"]),
            )
        console.print(table)
    for notice in document["notices"]:
        console.print(notice, style="bold yellow")


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
