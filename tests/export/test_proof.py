"""What the proof refuses, and what its reports say."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from facestats_export.parity import SCORE_LIMITS, Comparison
from facestats_export.proof import Proof, proof_json, proof_markdown

GOOD = Comparison("onnxruntime", 32, 0.999999, 1e-6, 0.01, 0.002, 0.9999)
PROOF = Proof(
    (GOOD, dataclasses.replace(GOOD, engine="triton, IMAGE", score_worst=0.02)), 0.0, 0.0, 0, 0, "faces", None
)
PARAMETERS = {
    "clip": "some tower",
    "regressor": "sha256:00",
    "calibration": "faces",
    "precision": "fp32",
    "target": "cpu",
}


def test_a_good_proof_has_no_failure() -> None:
    assert [PROOF.failures(precision) for precision in SCORE_LIMITS] == [[], [], []]


@pytest.mark.parametrize(("precision", "limit"), [("fp32", 0.05), ("fp16", 0.5), ("int8", 2.0)])
def test_each_precision_has_its_limit(precision: str, limit: float) -> None:
    assert SCORE_LIMITS[precision] == limit
    for drift, refused in ((limit * 0.99, False), (limit * 1.01, True), (math.nan, True)):
        proof = dataclasses.replace(PROOF, comparisons=(GOOD, dataclasses.replace(GOOD, score_worst=drift)))
        assert bool(proof.failures(precision)) == refused


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
    assert parameters["parity_score_worst"] == "0.020000"
    assert parameters["parity_engines"] == "onnxruntime, triton, IMAGE"
    assert parameters["parity_forced"] == "false"


def test_reports_say_what_was_measured_and_forced() -> None:
    proof = dataclasses.replace(
        PROOF, batch_dependence=3.5, scheme="weights only", quantisation={"all": 4.25, "weights only": 1.5}
    )
    parameters = PARAMETERS | proof.parameters(forced=True) | {"golden_pixels": "secret"}
    text = proof_markdown(proof, parameters)
    assert "| triton, IMAGE | 32 |" in text
    assert "8 bits, all: 4.250 points" in text
    assert "**Published by force**: a score changes by 3.5000 points with its batch" in text
    document = json.loads(proof_json(proof, parameters))
    assert document["batch_dependence"] == 3.5
    assert document["comparisons"][1]["score_worst"] == 0.02
    assert document["provenance"]["parity_forced"] == "true"
    assert "golden_pixels" not in document["provenance"]


def test_reports_say_when_triton_was_not_compared() -> None:
    proof = dataclasses.replace(PROOF, triton_obstacle="there is no GPU", decoder_difference=None)
    assert "Triton was not compared: there is no GPU." in proof_markdown(
        proof, PARAMETERS | proof.parameters(forced=False)
    )
