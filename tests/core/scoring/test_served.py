"""What Triton's psl does with the photos of a request, without Triton."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from facestats.deadline import Deadline
from facestats.holistic.provenance import Provenance
from facestats.problems import PROBLEM_TYPES
from facestats.scoring.schemas import ScoreDocument
from facestats.scoring.served import NO_NUMBER, Photo, ServedScorer
from facestats.settings import ScoringSettings
from tests.core.scoring.echo import Echo

CALIBRATED = Provenance({"calibration": "test", "weights": "trained"})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def scorer(echo: Echo) -> Iterator[ServedScorer]:
    scorer = ServedScorer(ScoringSettings(threads=2), CALIBRATED, echo)
    yield scorer
    scorer.close()


def photo(data: bytes, **choices: str) -> Photo:
    return Photo(data, Deadline(60), {"capture": "fast"} | choices, request_id="7")


async def test_bad_photos_harm_no_other(scorer: ServedScorer, echo: Echo, face: bytes) -> None:
    answers = await scorer.score([photo(face), photo(b"nonsense"), photo(face, sex="male"), photo(face, sex="?")])
    assert [answer.code for answer in answers] == ["", "not-an-image", "", "bad-parameter"]
    assert [size for size, _, _ in echo.calls] == [1, 1]
    for answer in (answers[0], answers[2]):
        document = ScoreDocument.model_validate_json(answer.document)
        assert answer.error == ""
        scored = document.faces[0]
        assert (answer.score, answer.holistic) == pytest.approx((scored.score, scored.holistic.score), abs=0.01)  # type: ignore[union-attr]
        assert answer.geometric == pytest.approx(scored.geometric.score, abs=0.01)
        assert answer.reliability == pytest.approx(scored.quality.reliability, abs=0.1)
        assert answer.score == pytest.approx(0.6 * answer.geometric + 0.4 * answer.holistic, abs=0.01)
    assert answers[0].geometric != answers[2].geometric
    for answer in (answers[1], answers[3]):
        assert (answer.score, answer.geometric, answer.holistic, answer.reliability) == (NO_NUMBER,) * 4
        problem = json.loads(answer.document)
        assert problem["type"] == PROBLEM_TYPES[answer.code].urn
        assert problem["instance"] == "7"
        assert answer.error == f"{answer.code}: {problem['detail']}"


async def test_a_lone_bad_photo_asks_nobody(scorer: ServedScorer, echo: Echo) -> None:
    (answer,) = await scorer.score([photo(b"")])
    assert answer.code == "empty-body"
    assert echo.calls == []


async def test_a_cancelled_photo_is_dropped_before_it_is_measured_and_holds_up_nobody(
    scorer: ServedScorer, echo: Echo, face: bytes
) -> None:
    cancelled = Photo(face, Deadline(60, lambda: True))
    answers = await scorer.score([cancelled, photo(face)])
    assert [answer.code for answer in answers] == ["deadline-exceeded", ""]
    assert [size for size, _, _ in echo.calls] == [1]


async def test_limits_are_the_settings_own(echo: Echo, face: bytes) -> None:
    scorer = ServedScorer(ScoringSettings(threads=1, max_image_bytes=2000), CALIBRATED, echo)
    (answer,) = await scorer.score([photo(face)])
    assert answer.code == "too-many-bytes"
    assert "2,000" in answer.error
    scorer.close()


async def test_an_uncalibrated_model_gives_no_blend(echo: Echo, face: bytes) -> None:
    scorer = ServedScorer(ScoringSettings(threads=1), Provenance({"calibration": "none"}), echo)
    (answer,) = await scorer.score([photo(face)])
    assert (answer.score, answer.holistic) == (NO_NUMBER, NO_NUMBER)
    assert answer.geometric > 0
    scorer.close()


def test_a_request_s_time_is_what_it_asks_for_within_the_longest() -> None:
    settings = ScoringSettings(request_timeout_seconds=5, max_request_timeout_seconds=20)
    assert [settings.deadline(asked).seconds for asked in (None, 1, 60)] == [5, 1, 20]
