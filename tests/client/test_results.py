"""The client's types say everything that the gateway's answers do."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from facestats.scoring import schemas
from facestats_client import results


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (results.ScoreResult, schemas.ScoreDocument),
        (results.Face, schemas.FaceDocument),
        (results.Geometric, schemas.GeometricDocument),
        (results.Metric, schemas.MetricDocument),
        (results.Holistic, schemas.HolisticDocument),
        (results.Attribute, schemas.AttributeDocument),
        (results.Pose, schemas.PoseDocument),
        (results.Quality, schemas.QualityDocument),
        (results.ModelInfo, schemas.ModelDocument),
    ],
)
def test_every_field_is_typed(ours: type[BaseModel], theirs: type[BaseModel]) -> None:
    assert set(ours.model_fields) == set(theirs.model_fields)


def test_answers_cannot_be_changed_by_accident() -> None:
    pose = results.Pose(yaw=1, pitch=2, roll=3)
    with pytest.raises(ValueError, match="frozen"):
        pose.yaw = 4  # type: ignore[misc]
