"""``facestats calibrate``: a calibration for the running service's regressor, from a folder of photos."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from facestats.errors import FaceStatsError
from facestats.images.suffixes import named_like_an_image
from facestats_evaluation.ratings import EvaluationError
from facestats_evaluation.service import PhotoRefusedError, ScoringService

_REGRESSOR_PREFIX = "sha256:"


def calibrate(
    images: Annotated[Path, typer.Option(help="Folder of reference photos, one face each.")],
    name: Annotated[str, typer.Option(help="Id of the calibration, shown with every score.")],
    output: Annotated[Path, typer.Option(help="File to write; `facestats export --calibration` reads it.")] = Path(
        "calibration.json"
    ),
    source: Annotated[str, typer.Option(help="Note on where the photos come from.")] = "",
    url: Annotated[str, typer.Option(envvar="FACESTATS_URL", help="The gateway.")] = "http://127.0.0.1:8080",
    api_key: Annotated[str | None, typer.Option(envvar="FACESTATS_API_KEY", help="API key, if one is needed.")] = None,
    least: Annotated[int, typer.Option(min=2, help="Fewest faces a calibration is made of.")] = 100,
    concurrency: Annotated[int, typer.Option(min=1, help="Photos asked for at a time.")] = 4,
) -> None:
    """Measures the regressor's raw output over reference photos and writes its quantiles."""
    from facestats_export.calibration import measure_calibration

    files = sorted(path for path in images.rglob("*") if path.is_file() and named_like_an_image(path.name))
    with ScoringService(url, api_key) as service:
        regressor = served_regressor(service)
        raw = measure_raw(service, files, concurrency)
        if served_regressor(service) != regressor:
            raise FaceStatsError("the served model changed while the photos were measured; run it again.")
    if len(raw) < least:
        raise FaceStatsError(
            f"only {len(raw)} of {len(files)} images in '{images}' gave a face; at least {least} are needed."
        )
    measured = measure_calibration(
        name, regressor.removeprefix(_REGRESSOR_PREFIX), source or images.name, np.array(raw)
    )
    measured.save(output)
    print(f"'{output}': {len(raw)} faces of {len(files)} files, RAW {min(raw):.3f} to {max(raw):.3f}.")


def served_regressor(service: ScoringService) -> str:
    """``sha256:...`` of the regressor the service runs.

    Raises:
        FaceStatsError: The service does not answer, or its regressor is not from a file.
    """
    regressor = service.model().regressor
    if not regressor.startswith(_REGRESSOR_PREFIX):
        raise FaceStatsError(
            f"the service's regressor is {regressor}; a calibration belongs to a checkpoint from a file."
        )
    return regressor


def measure_raw(service: ScoringService, files: list[Path], concurrency: int) -> list[float]:
    """RAW of each file's largest face, aligned as served; files without one are reported and left out.

    Raises:
        EvaluationError: The service was busy or away for too long, or answers without the models: then a calibration
            of what was measured so far would be one of fewer photos than were given.
    """

    def measure(path: Path) -> float | str:
        try:
            result = service.ask(path.read_bytes())
        except PhotoRefusedError as error:
            return f"{path}: {error}"
        except OSError as error:
            return f"{path}: cannot be read ({error.strerror})."
        if result.degraded:
            raise EvaluationError("the service answers without its models, so there is nothing to calibrate.")
        holistic = result.face.holistic
        return f"{path}: no holistic half." if holistic is None else holistic.raw

    console = Console(markup=False, stderr=True, highlight=False)
    raw: list[float] = []
    with Progress(console=console) as progress, ThreadPoolExecutor(concurrency) as threads:
        for result in progress.track(threads.map(measure, files), total=len(files), description="Measuring"):
            if isinstance(result, str):
                console.print(result, style="yellow")
            else:
                raw.append(result)
    return raw
