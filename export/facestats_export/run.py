"""The export from weights to a published model repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from tritonclient.grpc import model_config_pb2

from facestats.images.imaging import decode_image
from facestats.images.preprocessing import PREPROCESSING_ID, clip_pixels
from facestats.models.repository import (
    ENCODER,
    ENSEMBLES,
    MODEL_FILE,
    REGRESSOR,
    live_version,
    read_parameters,
    versions,
)
from facestats.places import default_repository, repository_templates, weights_folder
from facestats_export.attributes import AttributeHead, check_head, load_head
from facestats_export.calibration import Calibration, bundled_calibration, load_calibration, measure_calibration
from facestats_export.clip import Clip, load_clip
from facestats_export.configs import model_configs
from facestats_export.errors import ExportError
from facestats_export.facenets.networks import networks_source
from facestats_export.facenets.proved import ProvedNetworks, prove_networks
from facestats_export.fp16 import to_fp16
from facestats_export.graph import clip_module, export_clip, regressor_graph
from facestats_export.int8 import choose_int8, round_tower
from facestats_export.parity import (
    SCORE_LIMITS,
    Answers,
    OnnxGraphs,
    batch_dependence,
    calibration_difference,
    compare,
    preprocessing_difference,
    proving_calibration,
    torch_answers,
)
from facestats_export.photos import parity_files, rounding_files
from facestats_export.preparation import prepare_repository
from facestats_export.proof import Proof, proof_json, proof_markdown, summary_rows
from facestats_export.provenance import configs_sha256, golden_parameters, graphs_sha256, library_versions
from facestats_export.publish import publish
from facestats_export.regressor import Regressor
from facestats_export.sources import find_regressor
from facestats_export.triton_parity import triton_answers, triton_obstacle

Step = Callable[[str], None]


@dataclass(frozen=True)
class ExportOptions:
    """What to export; the fields are the command's options."""

    weights: str = "auto"
    regressor: str = "auto"
    output: Path = field(default_factory=default_repository)
    source: Path = field(default_factory=repository_templates)
    weights_folder: Path = field(default_factory=weights_folder)
    calibration: Path | None = None
    uncalibrated: bool = False
    attributes: Mapping[str, Path] = field(default_factory=dict)
    trust_pickle: bool = False
    parity_images: Path | None = None
    compare_triton: bool = True
    precision: str = "fp32"
    target: str = "cpu"
    force: bool = False


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes:
        output: The model repository.
        version: The published version; the live one when nothing had changed.
        parameters: The provenance.
        proof: What was measured; ``None`` when everything was there already.
    """

    output: Path
    version: int
    parameters: dict[str, str]
    proof: Proof | None

    @property
    def skipped(self) -> bool:
        """Whether everything was there already."""
        return self.proof is None


@dataclass(frozen=True)
class _Sources:
    """What is converted, and PyTorch's answers for the parity images."""

    clip: Clip
    regressor: Regressor
    calibration: Calibration | None
    heads: tuple[AttributeHead, ...]
    photos: list[bytes]
    pixels: NDArray[np.uint8]
    encoder: onnx.ModelProto
    reference: Answers
    scale: Calibration
    face: ProvedNetworks


def export_models(options: ExportOptions, console: Console) -> ExportReport:
    """Exports, proves and publishes.

    Raises:
        ExportError: Something is missing or the proof failed; what is served stays as it was.
    """
    if options.precision == "int8" and options.target != "cpu":
        raise ExportError(f"int8 is for CPUs; use --precision fp16 for {options.target}.")
    prepare_repository(options.output, options.source)
    with _steps(console) as step:
        sources = _read_sources(options, step, lambda said: console.print(said, style="yellow", markup=False))
        step(f"Converting to {options.precision}")
        head = regressor_graph(sources.regressor.layers, sources.calibration).SerializeToString(deterministic=True)
        encoder, scheme, tried = _encoder(options.precision, sources, head, step)
        graphs = {ENCODER: encoder, REGRESSOR: head, **{item.model: item.graph for item in sources.heads}}
        graphs |= sources.face.by_model
        bare = model_configs(options.output, options.target, options.precision, {}, sources.heads)
        identity = _identity(options, sources, scheme, graphs, bare)
        live = live_version(options.output)
        if live is not None and not options.force and _is_live(options.output, live, identity, graphs):
            return ExportReport(options.output, live, read_parameters(options.output / ENSEMBLES[0]), None)
        proof, answers = _prove(options, sources, graphs, bare, scheme, tried, step)
        failures = proof.failures(options.precision)
        if failures and not options.force:
            raise ExportError(f"the proof failed: {'; '.join(failures)}. Nothing was published; --force would.")
        step("Publishing")
        golden = golden_parameters(
            sources.pixels[0], answers.embedding[0], float(answers.raw[0]), float(answers.score[0]), options.precision
        )
        parameters = identity | proof.parameters(forced=bool(failures)) | golden
        configs = model_configs(options.output, options.target, options.precision, parameters, sources.heads)
        files = {"parity.json": proof_json(proof, parameters), "parity.md": proof_markdown(proof, parameters)}
        version = publish(options.output, graphs, configs, files)
    return ExportReport(options.output, version, parameters, proof)


def print_summary(report: ExportReport, console: Console) -> None:
    """The table at the end of an export."""
    table = Table(title="unchanged, nothing to do" if report.skipped else "exported", show_header=False)
    table.add_row("repository", f"{report.output} (version {report.version})")
    for name in ("weights", "clip", "regressor", "calibration", "precision", "target", "quantisation"):
        if name in report.parameters:
            table.add_row(name, report.parameters[name])
    if report.proof is not None:
        for row in summary_rows(report.proof):
            table.add_row(*row)
        table.add_row("alone against in a batch", f"{report.proof.batch_dependence:.6f} points at most")
        if report.proof.triton_obstacle is not None:
            table.add_row("Triton", Text(f"not compared: {report.proof.triton_obstacle}", "yellow"))
    console.print(table)
    if report.parameters.get("parity_forced") == "true":
        console.print("Published by force although the proof failed; the parity report says how.", style="bold red")
    if report.parameters.get("weights") == "untrained":
        console.print(
            "Untrained weights: speed and plumbing are real, the holistic score means nothing.", style="bold yellow"
        )


def _read_sources(options: ExportOptions, step: Step, notify: Callable[[str], None]) -> _Sources:
    from facestats_export.tower import ServedTower

    step("Loading the weights")
    regressor = find_regressor(options.regressor, options.weights_folder, notify, trust_pickle=options.trust_pickle)
    heads = tuple(
        load_head(name, path, trust_pickle=options.trust_pickle) for name, path in sorted(options.attributes.items())
    )
    clip = load_clip(options.weights, notify)
    calibration = _known_calibration(options, clip, regressor)
    step("Tracing CLIP to ONNX")
    module = clip_module(clip)
    encoder = export_clip(ServedTower(clip))
    step("Computing the reference in PyTorch")
    photos = parity_files(options.parity_images)
    pixels = np.stack([clip_pixels(decode_image(data)) for data in photos])
    embedding, raw = torch_answers(module, regressor, pixels)
    if calibration is None and not options.uncalibrated:
        calibration = measure_calibration("untrained", regressor.sha256, "the export's own parity images", raw)
    scale = proving_calibration(calibration, raw)
    reference = Answers(embedding, raw, scale.score(raw))
    step("Converting the face networks and proving them against MediaPipe")
    face = prove_networks(photos)
    return _Sources(clip, regressor, calibration, heads, photos, pixels, encoder, reference, scale, face)


def _encoder(precision: str, sources: _Sources, head: bytes, step: Step) -> tuple[bytes, str, dict[str, float]]:
    """The tower at a precision, the 8-bit scheme and the drift of all that were tried."""
    if precision == "int8":
        step("Rounding the weights to 8 bits")
        photos = np.stack([clip_pixels(decode_image(data)) for data in rounding_files()])
        tower = round_tower(sources.encoder, photos)

        def drift(model: onnx.ModelProto) -> float:
            answers = OnnxGraphs(model.SerializeToString(), head).answers(sources.pixels).on(sources.scale)
            return compare("onnxruntime", sources.reference, answers).score_worst

        model, scheme, tried = choose_int8(tower, drift, SCORE_LIMITS[precision])
        return model.SerializeToString(deterministic=True), scheme.name, tried
    model = to_fp16(sources.encoder) if precision == "fp16" else sources.encoder
    return model.SerializeToString(deterministic=True), "", {}


def _prove(
    options: ExportOptions,
    sources: _Sources,
    graphs: Mapping[str, bytes],
    configs: Mapping[str, model_config_pb2.ModelConfig],
    scheme: str,
    tried: dict[str, float],
    step: Step,
) -> tuple[Proof, Answers]:
    """Compares every engine; also returns ONNX Runtime's answers, of which the golden one is taken."""
    step("Proving ONNX Runtime against PyTorch")
    session = OnnxGraphs(graphs[ENCODER], graphs[REGRESSOR])
    answers = session.answers(sources.pixels)
    engines = {"onnxruntime": answers}
    attributes = {head.name: check_head(head, sources.reference.embedding) for head in sources.heads}
    dependence = batch_dependence(session, sources.pixels, sources.scale)
    obstacle = triton_obstacle(options.target) if options.compare_triton else "it was not asked for"
    decoder_difference = None
    if obstacle is None:
        step("Proving Triton against PyTorch")
        live = triton_answers(options.source, graphs, configs, sources.photos, sources.pixels)
        engines |= {"triton, PIXELS": live.pixels_ensemble, "triton, IMAGE": live.image_ensemble}
        decoder_difference = live.decoder_difference
    proof = Proof(
        comparisons=tuple(
            compare(name, sources.reference, engine.on(sources.scale)) for name, engine in engines.items()
        ),
        batch_dependence=dependence,
        calibration_difference=max(calibration_difference(engine, sources.calibration) for engine in engines.values()),
        preprocessing_difference=preprocessing_difference(sources.photos, sources.pixels),
        decoder_difference=decoder_difference,
        scale=sources.scale.name,
        triton_obstacle=obstacle,
        attributes=attributes,
        quantisation=tried,
        scheme=scheme,
        landmarks=sources.face.comparisons,
    )
    return proof, answers


def _known_calibration(options: ExportOptions, clip: Clip, regressor: Regressor) -> Calibration | None:
    """The calibration asked for or shipped; none if none is wanted, or if untrained weights get one of their own."""
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
        return None
    bundled = bundled_calibration(regressor.sha256)
    if bundled is None:
        raise ExportError(
            f"no calibration is known for the regressor {regressor.sha256[:12]}; give one with --calibration FILE "
            "(`facestats calibrate` makes it) or export with --uncalibrated."
        )
    return bundled


def _identity(
    options: ExportOptions,
    sources: _Sources,
    scheme: str,
    graphs: Mapping[str, bytes],
    configs: Mapping[str, model_config_pb2.ModelConfig],
) -> dict[str, str]:
    """The part of the provenance that says whether two exports are the same."""
    calibration = sources.calibration
    heads = [
        {"name": head.name, "classes": list(head.classes), "source": f"sha256:{head.sha256}"} for head in sources.heads
    ]
    return {
        "weights": "trained" if sources.clip.trained and sources.regressor.trained else "untrained",
        "clip": sources.clip.id,
        "regressor": sources.regressor.id,
        "calibration": "none" if calibration is None else calibration.name,
        "calibration_sha256": "none" if calibration is None else calibration.sha256,
        "precision": options.precision,
        "target": options.target,
        "preprocessing": PREPROCESSING_ID,
        "graphs": graphs_sha256({name: graph for name, graph in graphs.items() if name not in sources.face.by_model}),
        "face_networks": graphs_sha256(sources.face.by_model),
        "face_networks_source": networks_source(),
        "configurations": configs_sha256(configs),
        "attributes": json.dumps(heads),
        **({"quantisation": scheme} if scheme else {}),
    } | library_versions()


def _is_live(output: Path, version: int, identity: Mapping[str, str], graphs: Mapping[str, bytes]) -> bool:
    live = read_parameters(output / ENSEMBLES[0])
    return identity.items() <= live.items() and all(
        version in versions(output / name) and (output / name / str(version) / MODEL_FILE).read_bytes() == graph
        for name, graph in graphs.items()
    )


@contextmanager
def _steps(console: Console) -> Iterator[Step]:
    """A progress display of named steps."""
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def step(description: str) -> None:
            for task in progress.tasks:
                progress.update(task.id, total=1, completed=1)
            progress.add_task(description, total=None)

        yield step
        for task in progress.tasks:
            progress.update(task.id, total=1, completed=1)
