"""Time of geometry after capture, and of both captures, on one core: ``python -m benchmarks.geometry [IMAGE]``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from facestats.faces.captures import capture
from facestats.faces.overlay import draw_overlay, encode_overlay
from facestats.geometry import measure
from facestats.images.imaging import decode_image
from facestats.landmarks.mediapipe_engine import MediaPipeEngine

DEFAULT_IMAGE = Path(__file__).parent.parent / "examples" / "astronaut.jpg"


def main(
    image: Annotated[Path, typer.Argument(help="Photo of a face.")] = DEFAULT_IMAGE,
    repeats: Annotated[int, typer.Option(min=10, help="Runs of each geometry; a tenth of the captures.")] = 2000,
) -> None:
    """Measures on one core, after a warm-up."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rgb = decode_image(image.read_bytes())
    with closing(MediaPipeEngine()) as engine:
        found = capture(engine, rgb, "stable")
        if found is None:
            raise typer.BadParameter(f"no face in {image}")
        geometry = measure(found)
        subjects: dict[str, tuple[Callable[[], object], int]] = {
            "geometry, metrics": (lambda: measure(found, "female"), repeats),
            "geometry, shape": (lambda: measure(found, "female", "shape"), repeats),
            "geometry, mean": (lambda: measure(found, None, "mean"), repeats),
            "capture, fast": (lambda: capture(engine, rgb, "fast"), repeats // 10),
            "capture, stable": (lambda: capture(engine, rgb, "stable"), repeats // 10),
            "overlay, drawn and encoded": (lambda: encode_overlay(draw_overlay(rgb, found, geometry)), repeats // 20),
        }
        table = Table("one core", title=f"Milliseconds an image, {image.name}", title_justify="left")
        for heading in ("runs", "median", "p95", "p99"):
            table.add_column(heading, justify="right")
        for name, (subject, runs) in subjects.items():
            milliseconds = time_runs(subject, runs)
            figures = np.percentile(milliseconds, [50, 95, 99])
            table.add_row(name, str(runs), *(f"{figure:.3f}" for figure in figures))
    Console(markup=False).print(table)


def time_runs(subject: Callable[[], object], runs: int) -> list[float]:
    """Wall time of each run after a warm-up of a tenth, milliseconds."""
    for _ in range(max(3, runs // 10)):
        subject()
    milliseconds = []
    for _ in range(runs):
        start = time.perf_counter()
        subject()
        milliseconds.append((time.perf_counter() - start) * 1e3)
    return milliseconds


if __name__ == "__main__":
    typer.run(main)
