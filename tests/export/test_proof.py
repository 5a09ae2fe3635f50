"""What the proof refuses, and what its reports say."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from facestats_export.choice import Trial
from facestats_export.drift import LIMITS, Comparison, Figures
from facestats_export.engines import Variant
from facestats_export.proof import Proof, proof_json, proof_markdown

NOTHING = Figures(0.0, 0.0, 0.0)
GOOD = Comparison("onnxruntime", 32, NOTHING, Figures(0.002, 0.005, 0.01), NOTHING, 1e-6, 0.9999)
WORSE = dataclasses.replace(GOOD, engine="triton, IMAGE", points=Figures(0.004, 0.01, 0.02))
PROOF = Proof((GOOD, WORSE), 0.0, 0.0, 0, 0, "faces", False, None)
PARAMETERS = {
    "clip": "some tower",
    "regressor": "sha256:00",
    "calibration": "faces",
    "precision": "fp32",
    "target": "cpu",
    "weights": "untrained",
}


def test_a_good_proof_has_no_failure() -> None:
    assert [PROOF.failures(precision) for precision in LIMITS] == [[]] * len(LIMITS)


@pytest.mark.parametrize("precision", LIMITS)
@pytest.mark.parametrize("figure", ["cosine", "points"])
def test_each_precision_has_its_limits(precision: str, figure: str) -> None:
    limit = getattr(LIMITS[precision], figure).worst
    for drift, refused in ((limit * 0.99, False), (limit * 1.01, True), (math.nan, True)):
        item = dataclasses.replace(GOOD, **{figure: Figures(0.0, 0.0, drift)})  # type: ignore[arg-type]
        assert bool(dataclasses.replace(PROOF, comparisons=(GOOD, item)).failures(precision)) == refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_dependence": 0.06}, "with its batch"),
        ({"batch_dependence": math.nan}, "with its batch"),
        ({"calibration_difference": 0.1}, "off the calibration of RAW"),
        ({"calibration_difference": math.nan}, "off the calibration of RAW"),
        ({"preprocessing_difference": 1}, "CLIP's image processor"),
        ({"decoder_difference": 1}, "Triton's decoder"),
    ],
)
def test_everything_else_that_is_off_is_refused(change: dict[str, float], said: str) -> None:
    (failure,) = dataclasses.replace(PROOF, **change).failures("int8")  # type: ignore[arg-type]
    assert said in failure


def test_fp32_must_not_depend_on_the_batch_at_all() -> None:
    proof = dataclasses.replace(PROOF, batch_dependence=0.01)
    assert proof.failures("fp32")
    assert not proof.failures("fp16")


def test_parameters_hold_the_worst_engine() -> None:
    parameters = PROOF.parameters(forced=False)
    assert parameters["parity_points_worst"] == "0.020000"
    assert parameters["parity_points_mean"] == "0.004000"
    assert parameters["parity_embedding_cosine_min"] == "1.0000000"
    assert parameters["parity_engines"] == "onnxruntime, triton, IMAGE"
    assert parameters["parity_forced"] == "false"


def test_reports_say_what_was_measured_and_forced() -> None:
    proof = dataclasses.replace(
        PROOF,
        batch_dependence=3.5,
        scheme="weights only",
        schemes={"all": dataclasses.replace(GOOD, points=Figures(1.0, 2.0, 4.25)), "weights only": GOOD},
        trials=(
            Trial(Variant("bf16", "openvino"), 61.25, WORSE, "past its limits"),
            Trial(Variant("fp32", "cpu"), 30.0, GOOD, "taken"),
            Trial(Variant("int8", "cpu"), 20.0, None, "slower"),
        ),
    )
    parameters = PARAMETERS | proof.parameters(forced=True) | {"golden_pixels": "secret"}
    text = proof_markdown(proof, parameters)
    assert "| triton, IMAGE | 32 | 0 / 0 / 0 | 0.004 / 0.01 / 0.02 |" in text
    assert "weights untrained" in text
    assert "not judged: they are untrained" in text
    assert (
        "- Tried: bf16 on openvino: 61.2 images/s, real faces' points mean 0.00, worst 0.02, past its limits." in text
    )
    assert "- Tried: int8 on onnxruntime: 20.0 images/s, slower." in text
    assert "8 bits, all: 1 - cosine 0 / 0 / 0, real faces 1 / 2 / 4.2 points" in text
    assert "**Published by force**: a score changes by 3.5000 points with its batch" in text
    document = json.loads(proof_json(proof, parameters))
    assert document["batch_dependence"] == 3.5
    assert document["comparisons"][1]["points"]["worst"] == 0.02
    assert document["trials"][0]["variant"] == {"precision": "bf16", "target": "openvino"}
    assert document["provenance"]["parity_forced"] == "true"
    assert "golden_pixels" not in document["provenance"]


def test_reports_say_when_triton_was_not_compared() -> None:
    proof = dataclasses.replace(PROOF, triton_obstacle="there is no GPU", decoder_difference=None)
    assert "Triton was not compared: there is no GPU." in proof_markdown(
        proof, PARAMETERS | proof.parameters(forced=False)
    )
