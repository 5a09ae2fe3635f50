"""The export from weights to a published model repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from tritonclient.grpc import model_config_pb2

from facestats.images.preprocessing import PREPROCESSING_ID
from facestats.models.repository import (
    ENCODER,
    ENSEMBLES,
    MODEL_FILE,
    REGRESSOR,
    live_version,
    read_parameters,
    versions,
)
from facestats_export.answers import Answers
from facestats_export.attributes import check_head
from facestats_export.choice import Choice, choose
from facestats_export.configs import model_configs
from facestats_export.engines import AUTO, Variant, variants
from facestats_export.errors import ExportError
from facestats_export.facenets.networks import networks_source
from facestats_export.material import Material, Step, read_material
from facestats_export.options import ExportOptions
from facestats_export.parity import OnnxGraphs, batch_dependence, calibration_difference, preprocessing_difference
from facestats_export.preparation import prepare_repository
from facestats_export.proof import Proof, proof_json, proof_markdown
from facestats_export.provenance import configs_sha256, golden_parameters, graphs_sha256, library_versions
from facestats_export.publish import publish
from facestats_export.summary import ExportReport, steps
from facestats_export.triton_parity import triton_answers, triton_obstacle

REFUSED = ".refused-parity"
"""Reports of the last export that was refused: the name of two files in the model repository."""

Configs = Mapping[str, model_config_pb2.ModelConfig]


def export_models(options: ExportOptions, console: Console) -> ExportReport:
    """Exports, proves and publishes.

    Raises:
        ExportError: Something is missing or the proof failed; what is served stays as it was.
    """

    def notify(said: str) -> None:
        console.print(said, style="yellow", markup=False)

    candidates = variants(options.precision, options.target, notify)
    prepare_repository(options.output, options.source)
    with steps(console) as step:
        material = read_material(options, step, notify)
        kept = None if options.force else _kept(options, candidates, material, step)
        if kept is not None:
            return kept
        choice = choose(candidates, material, step)
        graphs, bare = _models(options, material, choice)
        identity = _identity(options, material, choice, graphs, bare)
        live = live_version(options.output)
        if live is not None and not options.force and _is_live(options.output, live, identity, graphs):
            return ExportReport(options.output, live, read_parameters(options.output / ENSEMBLES[0]), None)
        proof, answers = _prove(options, material, choice, graphs, bare, step)
        failures = proof.failures(choice.variant.precision)
        facts = identity | proof.parameters(forced=bool(failures))
        files = {"parity.json": proof_json(proof, facts), "parity.md": proof_markdown(proof, facts)}
        if failures and not options.force:
            raise _refusal(options, choice, failures, files)
        step("Publishing")
        golden = golden_parameters(
            material.pixels[0],
            answers.embedding[0],
            float(answers.raw[0]),
            float(answers.score[0]),
            choice.variant.precision,
        )
        configs = model_configs(
            options.output, choice.variant.target, choice.variant.precision, facts | golden, material.heads
        )
        served = material.face_networks.served(choice.variant.target)
        version = publish(options.output, graphs, configs, files, served)
        for path in options.output.glob(f"{REFUSED}.*"):
            path.unlink()
    return ExportReport(options.output, version, facts | golden, proof)


def _models(options: ExportOptions, material: Material, choice: Choice) -> tuple[dict[str, bytes], Configs]:
    """Every graph of an export, and the configurations without provenance."""
    graphs = {ENCODER: choice.graph, REGRESSOR: material.head, **{head.model: head.graph for head in material.heads}}
    graphs |= material.face_networks.by_model
    variant = choice.variant
    return graphs, model_configs(options.output, variant.target, variant.precision, {}, material.heads)


def _kept(
    options: ExportOptions, candidates: tuple[Variant, ...], material: Material, step: Step
) -> ExportReport | None:
    """The live export, if it was chosen among the same candidates and would be the same today.

    Times vary from run to run; without this two precisions of nearly the same speed would replace each other.
    """
    live = live_version(options.output)
    if options.precision != AUTO or live is None:
        return None
    parameters = read_parameters(options.output / ENSEMBLES[0])
    variant = Variant(parameters.get("precision", ""), parameters.get("target", ""))
    if variant not in candidates or not _facts(options, material, variant).items() <= parameters.items():
        return None
    choice = choose([variant], material, step)
    graphs, bare = _models(options, material, choice)
    if not _is_live(options.output, live, _identity(options, material, choice, graphs, bare), graphs):
        return None
    return ExportReport(options.output, live, parameters, None)


def _prove(
    options: ExportOptions,
    material: Material,
    choice: Choice,
    graphs: Mapping[str, bytes],
    configs: Configs,
    step: Step,
) -> tuple[Proof, Answers]:
    """Compares every engine; also returns the in-process engine's answers, of which the golden one is taken."""
    variant = choice.variant
    step(f"Proving {variant.engine} against PyTorch")
    session = OnnxGraphs(graphs[ENCODER], graphs[REGRESSOR], variant)
    answers = session.answers(material.pixels)
    engines = {variant.engine: answers}
    attributes = {head.name: check_head(head, material.reference.embedding) for head in material.heads}
    dependence = batch_dependence(session, material.pixels, material.scale)
    obstacle = triton_obstacle(variant.target) if options.compare_triton else "it was not asked for"
    decoder_difference, landmarks = None, material.face_networks.comparisons
    if obstacle is None:
        step("Proving Triton against PyTorch")
        faces = material.face_networks.faces
        served = material.face_networks.served(variant.target)
        live = triton_answers(options.source, graphs, configs, material.photos, material.pixels, faces, served)
        engines |= {"triton, PIXELS": live.pixels_ensemble, "triton, IMAGE": live.image_ensemble}
        decoder_difference, landmarks = live.decoder_difference, (*landmarks, live.landmarks)
    proof = Proof(
        comparisons=tuple(material.compare(name, engine) for name, engine in engines.items()),
        batch_dependence=dependence,
        calibration_difference=max(calibration_difference(engine, material.calibration) for engine in engines.values()),
        preprocessing_difference=preprocessing_difference(material.photos, material.pixels),
        decoder_difference=decoder_difference,
        scale=material.scale.name,
        photos_differ=material.photos_differ,
        triton_obstacle=obstacle,
        attributes=attributes,
        trials=choice.trials,
        schemes=choice.schemes,
        scheme=choice.scheme,
        landmarks=landmarks,
    )
    return proof, answers


def _refusal(options: ExportOptions, choice: Choice, failures: list[str], files: Mapping[str, str]) -> ExportError:
    """Keeps the report, and says what was tried, where it lies and what to do next."""
    for name, text in files.items():
        (options.output / f"{REFUSED}{Path(name).suffix}").write_text(text)
    tried = [str(trial) for trial in choice.trials] or [
        f"{name} (real faces' points mean {found.points.mean:.2f}, worst {found.points.worst:.2f})"
        for name, found in choice.schemes.items()
    ]
    return ExportError(
        f"the proof failed at {choice.variant}: {'; '.join(failures)}. "
        + (f"Tried: {'; '.join(tried)}. " if tried else "")
        + f"Nothing was published; the report is '{options.output / REFUSED}.md'. `--precision auto` takes the fastest "
        "that passes here and `--precision fp32` the reference; `--parity-images DIR` proves on your own photos; "
        "`--force` publishes it all the same and says so everywhere."
    )


def _facts(options: ExportOptions, material: Material, variant: Variant) -> dict[str, str]:
    """What is exported from what, by whom: all of the identity that is known before anything is converted."""
    calibration = material.calibration
    heads = [
        {"name": head.name, "classes": list(head.classes), "source": f"sha256:{head.sha256}"} for head in material.heads
    ]
    return {
        "weights": "trained" if material.trained else "untrained",
        "clip": material.clip.id,
        "regressor": material.regressor.id,
        **({"training": material.regressor.training} if material.regressor.training else {}),
        "calibration": "none" if calibration is None else calibration.name,
        "calibration_sha256": "none" if calibration is None else calibration.sha256,
        "precision": variant.precision,
        "precision_asked": options.precision,
        "target": variant.target,
        "preprocessing": PREPROCESSING_ID,
        "attributes": json.dumps(heads),
    } | library_versions()


def _identity(
    options: ExportOptions, material: Material, choice: Choice, graphs: Mapping[str, bytes], configs: Configs
) -> dict[str, str]:
    """The part of the provenance that says whether two exports are the same."""
    face_networks = material.face_networks.by_model
    served = {f"{name}, served": graph for name, graph in material.face_networks.served(choice.variant.target).items()}
    return _facts(options, material, choice.variant) | {
        "graphs": graphs_sha256({name: graph for name, graph in graphs.items() if name not in face_networks}),
        "face_networks": graphs_sha256(face_networks | served),
        "face_networks_source": networks_source(),
        "configurations": configs_sha256(configs),
        **({"quantisation": choice.scheme} if choice.scheme else {}),
    }


def _is_live(output: Path, version: int, identity: Mapping[str, str], graphs: Mapping[str, bytes]) -> bool:
    live = read_parameters(output / ENSEMBLES[0])
    return identity.items() <= live.items() and all(
        version in versions(output / name) and (output / name / str(version) / MODEL_FILE).read_bytes() == graph
        for name, graph in graphs.items()
    )
