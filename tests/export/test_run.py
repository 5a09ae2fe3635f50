"""The export from files to a published repository: refused, repeated, interrupted, forced."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from rich.console import Console

import facestats_export.choice
import facestats_export.drift
import facestats_export.engines
import facestats_export.run
from facestats.holistic.provenance import NO_SCORE
from facestats.landmarks.networks import DETECTOR, MESH
from facestats.models.openvino_sessions import has_bf16_units
from facestats.models.repository import ENCODER, ENSEMBLES, REGRESSOR, live_version, read_parameters
from facestats_export.calibration import bundled_calibration, measure_calibration
from facestats_export.checkpoints import load_regressor
from facestats_export.clip import Clip, load_clip
from facestats_export.drift import LIMITS
from facestats_export.engines import Variant
from facestats_export.errors import ExportError
from facestats_export.facenets.parity import LANDMARK_LIMIT
from facestats_export.fp16 import to_fp16
from facestats_export.options import ExportOptions
from facestats_export.parity import TELLING_SPREAD, OnnxGraphs
from facestats_export.reference_faces import reference_faces
from facestats_export.run import export_models
from facestats_export.summary import ExportReport
from tests.export.conftest import quietly, spread_options
from tests.export.spread_tower import TINY, SpreadTower, write_snapshot

pytestmark = pytest.mark.integration


def contents(repository: Path) -> dict[str, str]:
    return {
        str(path.relative_to(repository)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in repository.rglob("*")
        if path.is_file() and path.name != ".export.lock"
    }


def graph(repository: Path, model: str, version: int) -> Path:
    return repository / model / str(version) / "model.onnx"


@pytest.fixture
def copy(exported: ExportReport, tmp_path: Path) -> Path:
    """The spread tower's export, to be changed."""
    return Path(shutil.copytree(exported.output, tmp_path / "model_repository"))


def test_export_is_proved_and_says_what_it_is(exported: ExportReport, tower: SpreadTower) -> None:
    assert exported.proof is not None
    (engine,) = exported.proof.comparisons
    assert engine.score.worst <= 0.05
    assert engine.cosine.worst < 1e-8
    assert engine.points.worst <= 0.05
    assert exported.proof.scale == "spread"
    parameters = read_parameters(exported.output / ENSEMBLES[0])
    assert parameters == read_parameters(exported.output / ENSEMBLES[1])
    assert parameters["weights"] == "trained"
    assert parameters["clip"] == "local:tower"
    assert parameters["regressor"] == f"sha256:{hashlib.sha256(tower.regressor.read_bytes()).hexdigest()}"
    assert parameters["calibration"] == "spread"
    assert parameters["attributes"] == "[]"
    assert float(parameters["parity_score_worst"]) == pytest.approx(engine.score.worst, abs=1e-6)
    assert parameters["face_networks_source"] == f"mediapipe {version('mediapipe')}"
    assert parameters["parity_landmarks_engines"] == "openvino, onnxruntime"
    assert int(parameters["parity_landmarks_photos"]) >= 10
    assert 0 < float(parameters["parity_landmarks_worst"]) <= LANDMARK_LIMIT
    report = json.loads((exported.output / ENCODER / "1" / "parity.json").read_text())
    worst = max(item["worst"] for item in report["landmarks"])
    assert worst == pytest.approx(float(parameters["parity_landmarks_worst"]), abs=1e-6)
    assert report["comparisons"][0]["score"]["worst"] == engine.score.worst
    assert "| onnxruntime | 32 |" in (exported.output / ENCODER / "1" / "parity.md").read_text()


def test_served_scores_differ_and_lie_inside_the_calibrated_range(exported: ExportReport, pixels: np.ndarray) -> None:
    encoder, regressor = (str(graph(exported.output, name, 1)) for name in (ENCODER, REGRESSOR))
    score = OnnxGraphs(encoder, regressor).answers(pixels).score
    assert np.ptp(score) > TELLING_SPREAD
    assert 0 < score.min() < score.max() < 100


def test_unchanged_is_skipped_and_identical_input_gives_identical_bytes(
    exported: ExportReport, copy: Path, tower: SpreadTower, tmp_path: Path
) -> None:
    before = contents(copy)
    assert quietly(spread_options(tower, copy)).skipped
    assert contents(copy) == before
    forced = quietly(spread_options(tower, copy, force=True))
    assert (forced.version, forced.skipped) == (2, False)
    for model in (ENCODER, REGRESSOR, DETECTOR, MESH):
        assert graph(copy, model, 2).read_bytes() == graph(copy, model, 1).read_bytes()
    assert forced.parameters["parity_forced"] == "false", "nothing was past a limit"


def test_a_damaged_or_reconfigured_export_is_not_unchanged(copy: Path, tower: SpreadTower, root: Path) -> None:
    good = graph(copy, REGRESSOR, 1).read_bytes()
    graph(copy, REGRESSOR, 1).write_bytes(good[:-1] + b"\0")
    repaired = quietly(spread_options(tower, copy))
    assert (repaired.version, repaired.skipped) == (2, False)
    assert graph(copy, REGRESSOR, 2).read_bytes() == good
    changed = Path(shutil.copytree(root / "model_repository", copy.parent / "source", ignore=only_tracked))
    config = changed / ENCODER / "config.pbtxt"
    config.write_text(config.read_text().replace("max_batch_size: 32", "max_batch_size: 16"))
    assert quietly(spread_options(tower, copy, source=changed)).version == 3


def only_tracked(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.startswith("exported") or name.endswith((".onnx", "__pycache__"))}


def test_interrupted_it_leaves_the_repository_as_it_was(
    copy: Path, tower: SpreadTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copy)

    def interrupt(*arguments: object) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(facestats_export.run, "golden_parameters", interrupt)
        with pytest.raises(KeyboardInterrupt):
            quietly(spread_options(tower, copy, force=True))
    assert contents(copy) == before
    assert quietly(spread_options(tower, copy, force=True)).version == 2


def broken_conversion(model: onnx.ModelProto) -> onnx.ModelProto:
    """Half precision with a mistake: the photo's embedding is a little shifted."""
    broken = to_fp16(model)
    for tensor in broken.graph.initializer:
        if tensor.name == "post_norm.bias":
            bias = onnx.numpy_helper.to_array(tensor)
            shifted = bias * np.linspace(0.9, 1.1, len(bias)).astype(bias.dtype)
            tensor.CopyFrom(onnx.numpy_helper.from_array(shifted, tensor.name))
            return broken
    raise AssertionError("the graph has no such weight")


def test_a_failed_proof_publishes_nothing_and_force_is_recorded(
    copy: Path, tower: SpreadTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copy)
    monkeypatch.setattr(facestats_export.choice, "to_fp16", broken_conversion)
    with pytest.raises(ExportError, match=r"failed at fp16 on onnxruntime: .*1 - cosine mean .* Nothing was published"):
        quietly(spread_options(tower, copy, precision="fp16"))
    reports = {".refused-parity.json", ".refused-parity.md"}
    after = contents(copy)
    assert after.items() - before.items() == {(name, after[name]) for name in reports}
    assert json.loads((copy / ".refused-parity.json").read_text())["provenance"]["precision"] == "fp16"
    assert live_version(copy) == 1
    forced = quietly(spread_options(tower, copy, precision="fp16", force=True))
    assert forced.parameters["parity_forced"] == "true"
    assert float(forced.parameters["parity_points_worst"]) > 1
    assert not reports & contents(copy).keys(), "what was refused has been replaced"
    assert "**Published by force**" in (copy / ENCODER / "2" / "parity.md").read_text()


def test_eight_bits_record_what_was_tried(copy: Path, tower: SpreadTower) -> None:
    report = quietly(spread_options(tower, copy, precision="int8"))
    assert report.proof is not None
    used = report.proof.schemes[report.proof.scheme]
    assert 0 < used.share_of_limits("int8", photos_differ=report.proof.photos_differ) <= 1
    assert report.parameters["quantisation"] == report.proof.scheme
    assert 0 < report.proof.comparisons[0].points.worst <= 5.0
    assert graph(copy, ENCODER, 2).stat().st_size < graph(copy, ENCODER, 1).stat().st_size


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_openvino_is_exported_with_the_same_graph(
    precision: str, tmp_path: Path, plain_options: dict[str, Any]
) -> None:
    copy = tmp_path / "model_repository"
    quietly(ExportOptions(**plain_options, output=copy, precision="fp32"))
    report = quietly(ExportOptions(**plain_options, output=copy, precision=precision, target="openvino"))
    served = precision if has_bf16_units() else "fp32"
    assert (report.parameters["precision"], report.parameters["target"]) == (served, "openvino")
    assert report.proof is not None
    (engine,) = report.proof.comparisons
    assert engine.engine == "openvino"
    assert (engine.cosine.worst > 1e-7) == (served == "bf16"), "bf16 must be computed in bf16, fp32 in fp32"
    assert report.proof.batch_dependence == 0
    assert graph(copy, ENCODER, 2).read_bytes() == graph(copy, ENCODER, 1).read_bytes()
    config = (copy / ENCODER / "configs" / "exported.pbtxt").read_text()
    assert ("HINT_BF16" in config) == (served == "bf16")
    assert ("INFERENCE_PRECISION_HINT" in config) == (served == "fp32")


def test_without_bf16_units_it_says_so_and_exports_fp32(
    tower: SpreadTower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facestats_export.engines, "has_bf16_units", lambda: False)
    console = Console(record=True, file=io.StringIO(), width=200)
    report = export_models(spread_options(tower, tmp_path / "output", precision="bf16"), console)
    assert "no units for bf16" in console.export_text()
    assert (report.parameters["precision"], report.parameters["target"]) == ("fp32", "openvino")


def test_auto_takes_the_fastest_that_passes_and_says_what_it_tried(
    plain_options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "output"
    speeds = {Variant("bf16", "openvino"): 50.0, Variant("int8", "cpu"): 80.0, Variant("fp32", "cpu"): 20.0}
    monkeypatch.setattr(facestats_export.engines, "has_bf16_units", lambda: True)
    monkeypatch.setattr(facestats_export.choice, "images_per_second", lambda candidates, material: speeds)
    monkeypatch.setitem(facestats_export.drift.LIMITS, "int8", LIMITS["fp32"])
    report = quietly(ExportOptions(**plain_options, output=output))
    assert (report.parameters["precision"], report.parameters["target"]) == ("bf16", "openvino")
    assert report.parameters["precision_asked"] == "auto"
    assert report.proof is not None
    outcomes = [(str(trial.variant), trial.outcome) for trial in report.proof.trials]
    assert outcomes == [
        ("int8 on onnxruntime", "past its limits"),
        ("bf16 on openvino", "taken"),
        ("fp32 on onnxruntime", "slower"),
    ]
    text = (output / ENCODER / "1" / "parity.md").read_text()
    assert "- Tried: int8 on onnxruntime: 80.0 images/s, real faces' points mean" in text
    speeds[Variant("fp32", "cpu")] = 60.0
    assert quietly(ExportOptions(**plain_options, output=output)).skipped, "another day's times are no reason"


@pytest.mark.parametrize(
    ("precision", "target", "said"),
    [
        ("int8", "cuda", "--target cuda computes in fp32, fp16, not in int8"),
        ("int8", "openvino", "--target openvino computes in fp32, bf16, not in int8"),
        ("bf16", "cpu", "--target cpu computes in fp32, fp16, int8, not in bf16"),
        ("bf16", "tensorrt", "not in bf16"),
    ],
)
def test_a_target_that_has_no_such_precision_is_refused(
    precision: str, target: str, said: str, tower: SpreadTower, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=said):
        quietly(spread_options(tower, tmp_path / "output", precision=precision, target=target))


def test_gpu_targets_are_exported_without_a_gpu_and_say_what_was_not_proved(tower: SpreadTower, tmp_path: Path) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU: Triton would be compared")
    report = quietly(
        spread_options(tower, tmp_path / "output", precision="fp16", target="tensorrt", compare_triton=True)
    )
    assert report.proof is not None
    assert "no GPU" in str(report.proof.triton_obstacle)
    assert "tensorrt" in (tmp_path / "output" / ENCODER / "configs" / "exported.pbtxt").read_text()


def test_a_calibration_belongs_to_one_checkpoint(tower: SpreadTower, tmp_path: Path) -> None:
    measure_calibration("another", "ab" * 32, "a test", np.linspace(1, 2, 300)).save(tmp_path / "other.json")
    with pytest.raises(ExportError, match="belongs to the regressor abababababab"):
        quietly(spread_options(tower, tmp_path / "output", calibration=tmp_path / "other.json"))
    with pytest.raises(ExportError, match="no calibration is known"):
        quietly(spread_options(tower, tmp_path / "output", calibration=None))
    assert live_version(tmp_path / "output") is None


def test_without_a_calibration_it_must_be_asked_for(tower: SpreadTower, tmp_path: Path) -> None:
    report = quietly(spread_options(tower, tmp_path / "output", calibration=None, uncalibrated=True))
    assert report.parameters["calibration"] == report.parameters["calibration_sha256"] == "none"
    assert float(report.parameters["golden_score"]) == NO_SCORE
    assert report.proof is not None
    assert report.proof.scale == "parity images", "drift is measured on some scale even so"
    assert report.proof.calibration_difference == 0


def test_an_untrained_half_makes_the_whole_untrained(tower: SpreadTower, tmp_path: Path) -> None:
    report = quietly(spread_options(tower, tmp_path / "output", regressor="untrained", calibration=None))
    assert report.parameters["weights"] == "untrained"
    assert report.parameters["regressor"] == "untrained"
    assert report.parameters["calibration"] == "untrained"


@pytest.mark.parametrize(
    ("sizes", "calibration"), [("512-256-256-1", "facestats-sfhq-700"), ("512-256-64-1", "facestats-sfhq-10k")]
)
def test_the_published_checkpoints(sizes: str, calibration: str, shared_dir: Path, tmp_path: Path) -> None:
    """Through a tower whose embeddings lie around a real face's; their calibrations are found by their hash."""
    path = shared_dir / "facestats" / f"attractiveness_regressor_{sizes}.pt"
    regressor = load_regressor(path)
    faces = reference_faces().embedding
    middle = faces[regressor.predict(faces).argsort()[len(faces) // 2]].astype(float)
    raw = write_snapshot(tmp_path / "tower", middle / np.linalg.norm(middle), regressor, TINY, seed=0, share=0.3)
    bundled = bundled_calibration(regressor.sha256)
    assert bundled is not None
    assert np.ptp(bundled.score(raw)) > TELLING_SPREAD
    report = quietly(
        spread_options(SpreadTower(tmp_path / "tower", path, Path()), tmp_path / "output", calibration=None)
    )
    assert report.proof is not None
    assert report.proof.scale == report.parameters["calibration"] == calibration
    assert report.proof.comparisons[0].score.worst <= 0.05
    assert report.parameters["weights"] == "trained"


def test_a_tower_that_sees_no_difference_is_refused(tmp_path: Path, tower: SpreadTower) -> None:
    """The same embedding for every photo: no drift could show, so nothing is proved."""
    blind = load_clip(str(tower.snapshot), print)
    with torch.no_grad():
        blind.model.vision_model.post_layernorm.weight.zero_()
    Clip(blind.model, "blind", trained=True).model.save_pretrained(tmp_path / "blind")
    with pytest.raises(ExportError, match="no drift could show"):
        quietly(
            spread_options(SpreadTower(tmp_path / "blind", tower.regressor, tower.calibration), tmp_path / "output")
        )
