"""A row carries the gateway's whole document."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from facestats.geometry.reference import GROUPS
from facestats.scoring.schemas import (
    AttributeDocument,
    BlendDocument,
    FaceDocument,
    GeometricDocument,
    HolisticDocument,
    MetricDocument,
    ModelDocument,
    PoseDocument,
    QualityDocument,
    ScoreDocument,
    TimingDocument,
)
from facestats_bulk.inputs import ImageInput
from facestats_bulk.schema import UNREADABLE, arrow_type, document_of, output_schema, problem_row, scored_row

ITEM = ImageInput("me", "/photos/me.jpg")


def face(score: float | None) -> FaceDocument:
    """A face with every field set, but for the halves of one without a score."""
    return FaceDocument(
        score=score,
        geometric=GeometricDocument(
            score=51.126,
            sex="pooled",
            design="metrics",
            groups={group: 50.0 + index for index, group in enumerate(GROUPS)} | {"midface": None},
            metrics=[
                MetricDocument(
                    name="canthal_tilt",
                    title="Canthal tilt",
                    group="eyes",
                    value=4.12345,
                    unit="deg",
                    score=66.0,
                    percentile=71.2,
                    reason=None,
                ),
                MetricDocument(
                    name="jaw",
                    title="Jaw",
                    group="overall",
                    value=None,
                    unit="1",
                    score=None,
                    percentile=None,
                    reason="The chin is hidden.",
                ),
            ],
        ),
        holistic=None
        if score is None
        else HolisticDocument(
            score=66.2,
            raw=1.28712345,
            crop="aligned",
            attributes={"GLASSES": AttributeDocument(label="yes", probability={"yes": 0.75, "no": 0.25})},
        ),
        blend=BlendDocument(geometric=0.6, holistic=0.4),
        box=(0.31, 0.18, 0.62, 0.71),
        pose=PoseDocument(yaw=-2.1, pitch=3.0, roll=0.4),
        quality=QualityDocument(reliability=88.0, level="good", warnings=["Look into the camera."]),
        landmarks=[(0.25, 0.5, -0.125)] * 478,
        embedding=[0.5, -0.25],
        overlay="data:image/jpeg;base64,AAAA",
    )


def document(*scores: float | None) -> ScoreDocument:
    return ScoreDocument(
        faces=[face(score) for score in scores],
        model=ModelDocument(
            weights="trained", clip="clip", regressor="r", calibration="c", precision="fp32", receipt="sha256:1"
        ),
        degraded=False,
        notices=["Take care."],
        timing_ms=TimingDocument(queue=1, decode=2, landmarks=3, geometry=4, triton=5, total=15),
    )


def stored(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist(list(rows), output_schema())
    found: list[dict[str, Any]] = table.to_pylist(maps_as_pydicts="strict")
    return found


def test_document_comes_back_whole() -> None:
    original = document(61.4, None)
    (row,) = stored(scored_row(ITEM, original))
    assert document_of(row).model_dump(mode="json") == original.model_dump(mode="json")


def test_flat_columns_are_the_largest_face_s() -> None:
    (row,) = stored(scored_row(ITEM, document(61.4, 12.0)))
    expected = {
        **{"id": "me", "path": "/photos/me.jpg", "row": None, "face_count": 2},
        **{"score": 61.4, "geometric_score": 51.13, "holistic_score": 66.2, "raw": 1.287123},
        **{"geometric_eyes": 50.0, "geometric_midface": None, "geometric_overall": 54.0},
        **{"reliability": 88.0, "quality": "good", "yaw": -2.1, "pitch": 3.0, "roll": 0.4},
        **{"left": 0.31, "top": 0.18, "right": 0.62, "bottom": 0.71},
        **{"weights": "trained", "receipt": "sha256:1", "problem_type": None, "problem_detail": None},
    }
    assert {name: row[name] for name in expected} == expected


def test_face_without_a_holistic_half_has_nulls() -> None:
    (row,) = stored(scored_row(ITEM, document(None)))
    assert (row["score"], row["holistic_score"], row["raw"], row["geometric_score"]) == (None, None, None, 51.13)


def test_problem_row_is_empty_but_for_the_problem() -> None:
    (row,) = stored(problem_row(ImageInput("7", "/images.parquet", 7, "image"), UNREADABLE, "The row holds no image."))
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "7",
        "path": "/images.parquet",
        "row": 7,
        "problem_type": "urn:facestats:problem:unreadable",
        "problem_title": "The image cannot be read",
        "problem_status": 404,
        "problem_detail": "The row holds no image.",
    }


def test_every_field_of_the_gateway_s_answer_has_a_column() -> None:
    assert set(ScoreDocument.model_fields) <= set(output_schema().names)
    face_type = output_schema().field("faces").type.value_type
    assert {field.name for field in face_type} == set(FaceDocument.model_fields)


def test_annotation_without_a_column_type_is_refused() -> None:
    with pytest.raises(TypeError, match="no Arrow type"):
        arrow_type(set[str])
