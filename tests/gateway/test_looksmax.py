"""The LooksmaxAI layout, filled from a really measured face."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facestats.faces.captures import capture
from facestats.faces.conditions import examine
from facestats.faces.measurer import MeasuredFace, MeasuredPhoto
from facestats.faces.options import ScoreOptions
from facestats.geometry import measure
from facestats.holistic.backend import Holistic
from facestats.holistic.provenance import Provenance
from facestats.landmarks.mediapipe_engine import MediaPipeEngine
from facestats.problems import Problem
from facestats.scoring.blend import BlendWeights
from facestats.scoring.documents import score_document
from facestats.scoring.receipt import Design
from facestats.scoring.schemas import FaceDocument
from facestats_gateway.looksmax import UNAVAILABLE, Analysis, analysis, error_of, sex_of

FIELDS = {
    "overall": "psl potential",
    "eyes": "orbitalDepth canthalTilt eyebrowDensity eyelashDensity eyelidExposure underEyeHealth",
    "midface": "cheekbones maxilla nose ipd fwhr compactness",
    "lowerThird": "lips mandible gonialAngle ramus hyoidSkinTightness jawWidth",
    "upperThird": "norwoodStage foreheadProjection hairlineRecession hairThinning hairlineDensity foreheadSlope",
    "miscellaneous": "skin harmony symmetry neckWidth bloat boneMass",
}


@pytest.fixture(scope="module")
def face(photo: NDArray[np.uint8]) -> FaceDocument:
    with closing(MediaPipeEngine()) as engine:
        found = capture(engine, photo, "stable")
    assert found is not None
    measured = MeasuredPhoto(
        (MeasuredFace(found, measure(found), examine(photo, found, 1), None),), np.zeros((1, 224, 224, 3), np.uint8)
    )
    holistic = Holistic(np.array([80.0], np.float32), np.array([1.4], np.float32), None, {})
    design = Design(BlendWeights(), "metrics", degrade=False, reduced_decode_side=1024, landmarks="mediapipe")
    seconds = dict.fromkeys(("queue", "decode", "landmarks", "geometry", "triton", "total"), 0.0)
    provenance = Provenance({"calibration": "test"})
    return score_document(measured, holistic, ScoreOptions(), provenance, design, seconds).faces[0]


@pytest.fixture(scope="module")
def answer(face: FaceDocument) -> dict[str, Any]:
    return dict(analysis(face).model_dump(by_alias=True))


def test_layout_has_exactly_the_app_s_fields(answer: dict[str, Any]) -> None:
    assert set(answer) == {*FIELDS, "ascensionDate"}
    for section, names in FIELDS.items():
        assert list(answer[section]) == names.split()


def test_psl_is_the_blend(answer: dict[str, Any], face: FaceDocument) -> None:
    assert face.score is not None
    assert face.geometric.score is not None
    assert answer["overall"]["psl"] == pytest.approx(0.6 * face.geometric.score + 0.4 * 80.0, abs=0.051)


def test_unmeasurable_fields_are_null(answer: dict[str, Any]) -> None:
    assert answer.get("ascensionDate") is None
    assert answer["overall"]["potential"] is None
    assert set(answer["upperThird"].values()) == {None}
    for section, field in (("eyes", "underEyeHealth"), ("miscellaneous", "skin"), ("lowerThird", "gonialAngle")):
        assert answer[section][field] is None


def test_documented_table_says_which_metric_feeds_which_field(
    answer: dict[str, Any], face: FaceDocument, root: Path
) -> None:
    table = dict(
        re.findall(r"^\| `(\w+\.\w+)` \| [^|]*`([\w.]+)`[^|]*\|", (root / "docs/api.md").read_text(), re.MULTILINE)
    )
    scores = {metric.name: metric.score for metric in face.geometric.metrics} | {
        "score": face.score,
        "geometric.groups.overall": face.geometric.groups["overall"],
    }
    filled = {
        f"{section}.{field}": value
        for section in FIELDS
        for field, value in answer[section].items()
        if value is not None
    }
    assert len(set(filled.values())) > 6, "equal scores could not tell a wrong table"
    assert set(table) == set(filled)
    for field, source in table.items():
        assert filled[field] == pytest.approx(scores[source], abs=0.051), (field, source)


def test_unsupported_metric_stays_null(face: FaceDocument) -> None:
    metrics = [
        metric.model_copy(update={"score": None, "value": None}) if metric.name == "lip_fullness" else metric
        for metric in face.geometric.metrics
    ]
    partial = face.model_copy(update={"geometric": face.geometric.model_copy(update={"metrics": metrics})})
    answer: Analysis = analysis(partial)
    assert answer.lower_third.lips is None


def test_without_an_overall_score_there_is_no_answer_that_the_app_would_show_as_50(face: FaceDocument) -> None:
    with pytest.raises(Problem) as problem:
        analysis(face.model_copy(update={"score": None, "holistic": None}))
    assert error_of(problem.value, "front") == (503, UNAVAILABLE)
    unsupported = face.geometric.model_copy(update={"score": None})
    with pytest.raises(Problem) as problem:
        analysis(face.model_copy(update={"score": None, "geometric": unsupported}))
    assert error_of(problem.value, "front")[0] == 400


@pytest.mark.parametrize(
    ("gender", "sex"), [("Male", "male"), ("Female", "female"), ("", None), (None, None), ("x", None)]
)
def test_gender_selects_the_parameter_set_and_is_never_guessed(gender: str | None, sex: str | None) -> None:
    assert sex_of(gender) == sex


@pytest.mark.parametrize("code", ["triton-unavailable", "overloaded", "deadline-exceeded", "internal-error"])
def test_service_problems_are_503(code: str) -> None:
    assert error_of(Problem(code, "Some detail."), "front") == (503, UNAVAILABLE)


def test_photo_problems_are_400_and_name_the_photo() -> None:
    assert error_of(Problem("no-face", "None."), "side") == (400, "Face not detected in side image")
    status, message = error_of(Problem("unsupported-format", "Send a JPEG."), "front")
    assert status == 400
    assert "front" in message
    assert "Send a JPEG." in message
