"""Photos handed to psl: its answers are given on, and whatever goes wrong is a problem or the fallback's."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from PIL import Image

from facestats.deadline import Deadline
from facestats.faces.measurer import FaceMeasurer
from facestats.faces.options import ScoreOptions
from facestats.holistic.backend import (
    HolisticDeadlineError,
    HolisticRequestError,
    HolisticState,
    HolisticUnavailableError,
)
from facestats.holistic.provenance import Provenance
from facestats.images.limits import ImageLimits
from facestats.landmarks.engines import MediaPipeEngines
from facestats.problems import Problem
from facestats.scoring.admission import Admission
from facestats.scoring.forwarding import ForwardingScorer
from facestats.scoring.intake import Intake
from facestats.scoring.parameters import parse_options
from facestats.scoring.pipeline import PhotoScorer, Scorer
from facestats.scoring.served import Photo, ServedScorer
from facestats.settings import ScoringSettings
from tests.core.scoring.echo import Echo
from tests.core.scoring.test_pipeline import Outcomes

SETTINGS = ScoringSettings(threads=1)
FAST = ScoreOptions(capture="fast")


class Watch:
    def __init__(self) -> None:
        self.state = HolisticState(ready=True, reason="", provenance=Provenance({"calibration": "test"}))

    def report_unavailable(self, reason: str) -> None:
        self.state = HolisticState(ready=False, reason=reason)


class LocalModel:
    """psl without Triton between."""

    def __init__(self) -> None:
        self.scorer = ServedScorer(SETTINGS, Provenance({"calibration": "test"}), Echo())
        self.asked: list[Mapping[str, str]] = []

    async def score_photo(self, data: bytes, choices: Mapping[str, str], *, timeout: float, patience: float) -> bytes:
        self.asked.append(choices)
        (answer,) = await self.scorer.score([Photo(data, Deadline(timeout), choices)])
        return answer.document


class BrokenModel:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def score_photo(self, data: bytes, choices: Mapping[str, str], *, timeout: float, patience: float) -> bytes:
        raise self.error


@pytest.fixture(scope="module")
def measurer() -> Iterator[FaceMeasurer]:
    measurer = FaceMeasurer(1, ImageLimits(), 10, "metrics", MediaPipeEngines())
    yield measurer
    measurer.close()


def forwarding(
    measurer: FaceMeasurer,
    model: Any,
    watch: Watch,
    outcomes: Outcomes,
    *,
    admission: Admission | None = None,
    fallback: PhotoScorer | None = None,
) -> ForwardingScorer:
    intake = Intake(measurer.open, admission or Admission(8, 10**9), outcomes)
    return ForwardingScorer(model, watch, intake, SETTINGS.design("mediapipe"), fallback, outcomes)


async def test_the_answer_is_psl_s_own(measurer: FaceMeasurer, face: bytes) -> None:
    model, outcomes = LocalModel(), Outcomes()
    scorer = forwarding(measurer, model, Watch(), outcomes)
    options = ScoreOptions("full", True, "male", "fast", frozenset({"landmarks", "overlay"}))
    document = await scorer.score(face, options, Deadline(60))
    assert parse_options(**model.asked[0]) == options
    scored = document.faces[0]
    assert scored.landmarks is not None
    assert len(scored.landmarks) == 478
    assert scored.overlay is not None
    assert scored.geometric.sex == "male"
    assert document.timing_ms.total >= document.timing_ms.landmarks > 0
    assert (outcomes.scores, outcomes.reasons) == (1, [])
    assert scorer.receipt == document.model.receipt


async def test_a_problem_of_psl_is_the_same_problem_here(measurer: FaceMeasurer) -> None:
    scorer = forwarding(measurer, LocalModel(), Watch(), Outcomes())
    with pytest.raises(Problem) as problem:
        await scorer.score(grey_png(), FAST, Deadline(60))
    assert problem.value.code == "no-face"
    assert "clearly visible" in problem.value.detail
    with pytest.raises(Problem) as problem:
        await scorer.measure(grey_png(), FAST, Deadline(60))
    assert problem.value.code == "no-face"


async def test_what_the_header_says_is_refused_without_asking(measurer: FaceMeasurer) -> None:
    model = LocalModel()
    with pytest.raises(Problem) as problem:
        await forwarding(measurer, model, Watch(), Outcomes()).score(b"nonsense", FAST, Deadline(60))
    assert problem.value.code == "not-an-image"
    assert model.asked == []


@pytest.mark.parametrize(
    ("error", "code", "ready"),
    [
        (HolisticRequestError("out of memory"), "triton-unavailable", True),
        (HolisticUnavailableError("gone"), "triton-unavailable", False),
        (HolisticDeadlineError("late"), "deadline-exceeded", True),
    ],
)
async def test_a_failing_triton_is_a_problem(
    measurer: FaceMeasurer, face: bytes, error: Exception, code: str, ready: bool
) -> None:
    watch = Watch()
    with pytest.raises(Problem) as problem:
        await forwarding(measurer, BrokenModel(error), watch, Outcomes()).score(face, FAST, Deadline(60))
    assert problem.value.code == code
    assert watch.state.ready is ready


async def test_while_triton_is_away_the_fallback_answers_with_geometry_alone(
    measurer: FaceMeasurer, face: bytes
) -> None:
    watch, outcomes = Watch(), Outcomes()
    design = ScoringSettings(degrade="geometric").design("mediapipe")
    fallback = Scorer(measurer, Echo(), watch, design, observer=outcomes)
    broken = BrokenModel(HolisticUnavailableError("gone"))
    scorer = forwarding(measurer, broken, watch, outcomes, fallback=fallback)
    # The first finds out, the second knows.
    for _ in range(2):
        document = await scorer.score(face, FAST, Deadline(60))
        assert document.degraded
        assert document.faces[0].score is None
        assert document.faces[0].geometric.score is not None
    await scorer.measure(face, FAST, Deadline(60))
    assert outcomes.scores == 2


async def test_who_gives_up_takes_the_call_back_and_makes_room(measurer: FaceMeasurer, face: bytes) -> None:
    taken_back = asyncio.Event()

    class SlowModel:
        async def score_photo(
            self, data: bytes, choices: Mapping[str, str], *, timeout: float, patience: float
        ) -> bytes:
            assert patience > timeout
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                taken_back.set()
            # As a gRPC call does: not the deadline's own cancellation, which is told apart from others.
            raise asyncio.CancelledError

    admission, outcomes = Admission(1, 10**9), Outcomes()
    scorer = forwarding(measurer, SlowModel(), Watch(), outcomes, admission=admission)
    with pytest.raises(Problem) as problem:
        await scorer.score(face, FAST, Deadline(0.3))
    assert problem.value.code == "deadline-exceeded"
    await asyncio.wait_for(taken_back.wait(), 5)
    assert admission.requests == 0
    assert outcomes.reasons == ["deadline"]


def grey_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (200, 200), (120, 120, 120)).save(buffer, "PNG")
    return buffer.getvalue()
