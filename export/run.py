"""The export from weights to a published model repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from export.calibration import Calibration, bundled_calibration, load_calibration, measure_calibration
from export.clip import Clip, load_clip
from export.errors import ExportError
from export.graph import clip_module, export_clip, regressor_graph
from export.parity import (
    BATCH_LIMITS,
    SCORE_LIMITS,
    Answers,
    Comparison,
    OnnxGraphs,
    batch_dependence,
    compare,
    reference_answers,
    torch_answers,
)
from export.photos import parity_files
from export.provenance import golden_parameters, graphs_sha256, library_versions, read_parameters
from export.publish import prepare_repository, publish, versions
from export.regressor import Regressor
from export.report import parity_markdown
from export.sources import find_regressor
from gateway.imaging import decode_image
from gateway.preprocessing import PREPROCESSING_ID, clip_pixels

PROJECT = Path(__file__).parent.parent
ENCODER, REGRESSOR = "clip_image_encoder", "attractiveness_regressor"

Step = Callable[[str], None]


@dataclass(frozen=True)
class ExportOptions:
    """What to export; the fields are the command's options."""

    weights: str = "auto"
    regressor: str = "auto"
    output: Path = PROJECT / "model_repository"
    source: Path = PROJECT / "model_repository"
    weights_folder: Path = PROJECT / "weights"
    calibration: Path | None = None
    uncalibrated: bool = False
    parity_images: Path | None = None
    precision: str = "fp32"
    target: str = "cpu"
    force: bool = False


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes:
        output: The model repository.
        version: The published version; the live one when nothing had changed.
        skipped: Whether everything was there already.
        parameters: The provenance.
        comparisons: Each engine against PyTorch.
        batch_dependence: Largest influence of a batch's other images on a score, points.
    """

    output: Path
    version: int
    skipped: bool
    parameters: dict[str, str]
    comparisons: tuple[Comparison, ...]
    batch_dependence: float


def export_models(options: ExportOptions, console: Console) -> ExportReport:
    """Exports, proves and publishes.

    Raises:
        ExportError: Something is missing or the proof failed; the repository is as it was.
    """
    prepare_repository(options.output, options.source)
    with _steps(console) as step:
        step("Loading the weights")
        clip = load_clip(options.weights, lambda said: console.print(f"[yellow]{said}"))
        regressor = find_regressor(
            options.regressor, options.weights_folder, lambda said: console.print(f"[yellow]{said}")
        )
        step("Tracing CLIP to ONNX")
        module = clip_module(clip)
        encoder = export_clip(module).SerializeToString()
        step("Computing the reference in PyTorch")
        pixels = np.stack([clip_pixels(decode_image(data)) for data in parity_files(options.parity_images)])
        embedding, raw = torch_answers(module, regressor, pixels)
        calibration = _calibration(options, clip, regressor, raw)
        head = regressor_graph(regressor.layers, calibration).SerializeToString(deterministic=True)
        graphs = {ENCODER: encoder, REGRESSOR: head}
        identity = _identity(options, clip, regressor, calibration, graphs)
        live = read_parameters(options.output / "attractiveness")
        present = versions(options.output / ENCODER)
        if present and not options.force and identity.items() <= live.items():
            return ExportReport(options.output, present[-1], True, live, (), 0.0)
        step("Proving ONNX Runtime against PyTorch")
        session = OnnxGraphs(encoder, head)
        reference = reference_answers(embedding, raw, calibration)
        answers = session.answers(pixels)
        comparison = compare("onnxruntime", reference, answers)
        dependence = batch_dependence(session, pixels)
        forced = _judge(options, comparison, dependence)
        step("Publishing")
        parameters = identity | _proof(comparison, dependence, forced) | _golden(pixels, answers, options.precision)
        report = ExportReport(options.output, 0, False, parameters, (comparison,), dependence)
        files = {
            "parity.json": json.dumps(
                {"comparisons": [comparison.figures()], "batch_dependence": dependence}, indent=1
            ),
            "parity.md": parity_markdown(report),
        }
        version = publish(options.output, graphs, parameters, files)
    return ExportReport(options.output, version, False, parameters, (comparison,), dependence)


def print_summary(report: ExportReport, console: Console) -> None:
    """The table at the end of an export."""
    table = Table(title="unchanged, nothing to do" if report.skipped else "exported", show_header=False)
    table.add_row("repository", f"{report.output} (version {report.version})")
    for name in ("weights", "clip", "regressor", "calibration", "precision", "target"):
        table.add_row(name, report.parameters.get(name, ""))
    for comparison in report.comparisons:
        table.add_row(
            f"{comparison.engine} against PyTorch",
            f"{comparison.images} images; score drift worst {comparison.score_worst:.4f}, mean "
            f"{comparison.score_mean:.4f} points; cosine at least {comparison.embedding_cosine_min:.6f}; rank "
            f"correlation {comparison.rank_correlation:.4f}",
        )
    if not report.skipped:
        table.add_row("alone against in a batch", f"{report.batch_dependence:.6f} points at most")
    console.print(table)
    if report.parameters.get("weights") == "untrained":
        console.print("[bold yellow]Untrained weights: speed and plumbing are real, the holistic score means nothing.")


def _calibration(
    options: ExportOptions, clip: Clip, regressor: Regressor, raw: NDArray[np.float64]
) -> Calibration | None:
    if options.uncalibrated:
        return None
    if options.calibration is not None:
        calibration = load_calibration(options.calibration)
        if calibration.regressor_sha256 != regressor.sha256:
            raise ExportError(
                f"the calibration '{options.calibration}' belongs to the regressor "
                f"{calibration.regressor_sha256[:12]}, not to {regressor.sha256[:12] or 'an untrained one'}."
            )
        return calibration
    if not (clip.trained and regressor.trained):
        return measure_calibration("untrained", regressor.sha256, "the export's own parity images", raw)
    bundled = bundled_calibration(regressor.sha256)
    if bundled is None:
        raise ExportError(
            f"no calibration is known for the regressor {regressor.sha256[:12]}; give one with --calibration FILE "
            "(`facestats calibrate` makes it) or export with --uncalibrated."
        )
    return bundled


def _identity(
    options: ExportOptions,
    clip: Clip,
    regressor: Regressor,
    calibration: Calibration | None,
    graphs: dict[str, bytes],
) -> dict[str, str]:
    """The part of the provenance that says whether two exports are the same."""
    return {
        "weights": "trained" if clip.trained and regressor.trained else "untrained",
        "clip": clip.id,
        "regressor": regressor.id,
        "calibration": "none" if calibration is None else calibration.name,
        "calibration_sha256": "none" if calibration is None else calibration.sha256,
        "precision": options.precision,
        "target": options.target,
        "preprocessing": PREPROCESSING_ID,
        "graphs": graphs_sha256(graphs),
    } | library_versions()


def _judge(options: ExportOptions, comparison: Comparison, dependence: float) -> bool:
    """Whether a failed proof is published by force.

    Raises:
        ExportError: The proof failed and ``force`` was not given.
    """
    drift_limit, batch_limit = SCORE_LIMITS[options.precision], BATCH_LIMITS[options.precision]
    failures = []
    if comparison.score_worst > drift_limit:
        failures.append(
            f"{comparison.engine}'s worst score drift is {comparison.score_worst:.3f} points (limit {drift_limit})"
        )
    if dependence > batch_limit:
        failures.append(f"a score changes by {dependence:.4f} points with its batch (limit {batch_limit})")
    if failures and not options.force:
        raise ExportError(f"the proof failed: {'; '.join(failures)}. Nothing was published; --force would.")
    return bool(failures)


def _proof(comparison: Comparison, dependence: float, forced: bool) -> dict[str, str]:
    return {
        "parity_images": str(comparison.images),
        "parity_score_worst": f"{comparison.score_worst:.6f}",
        "parity_score_mean": f"{comparison.score_mean:.6f}",
        "parity_embedding_cosine_min": f"{comparison.embedding_cosine_min:.7f}",
        "parity_rank_correlation": f"{comparison.rank_correlation:.6f}",
        "parity_batch_dependence": f"{dependence:.6f}",
        "parity_forced": str(forced).lower(),
    }


def _golden(pixels: NDArray[np.uint8], answers: Answers, precision: str) -> dict[str, str]:
    return golden_parameters(pixels[0], answers.embedding[0], float(answers.raw[0]), float(answers.score[0]), precision)


@contextmanager
def _steps(console: Console) -> Iterator[Step]:
    """A progress display of named steps."""
    columns = SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:

        def step(description: str) -> None:
            for task in progress.tasks:
                progress.update(task.id, total=1, completed=1)
            progress.add_task(description, total=None)

        yield step
        for task in progress.tasks:
            progress.update(task.id, total=1, completed=1)
