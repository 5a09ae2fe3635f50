"""The golden check: what counts as off, when it runs, and what the service says meanwhile."""

from __future__ import annotations

import asyncio
import base64
import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from facestats.holistic.backend import (
    Holistic,
    HolisticDeadlineError,
    HolisticRequestError,
    HolisticState,
    HolisticUnavailableError,
)
from facestats.holistic.provenance import NO_SCORE, GoldenCase, Provenance
from facestats.holistic.triton import TritonClient
from facestats.holistic.watch import TritonMonitor, golden_difference
from facestats_export.provenance import golden_parameters

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (224, 224, 3), dtype=np.uint8)


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


EMBEDDING = unit(RANDOM.standard_normal(512))
CASE = GoldenCase(PIXELS, EMBEDDING, score=61.5, raw=1.28, score_tolerance=0.5)


def answer(score: float = 61.5, raw: float = 1.28, embedding: np.ndarray = EMBEDDING) -> Holistic:
    return Holistic(np.array([score], np.float32), np.array([raw], np.float32), embedding[np.newaxis], {})


@pytest.mark.parametrize("score", [61.5, 61.9, 61.1])
def test_within_the_tolerance_nothing_is_wrong(score: float) -> None:
    drift, problem = golden_difference(CASE, answer(score))
    assert drift == pytest.approx(abs(score - 61.5), abs=1e-4)
    assert problem == ""


@pytest.mark.parametrize(
    ("live", "said"),
    [
        (answer(score=62.1), "the score is 62.100, the export computed 61.500"),
        (answer(score=math.nan), "the score is nan"),
        (answer(embedding=unit(EMBEDDING + unit(RANDOM.standard_normal(512)) * 0.1)), "cosine with the exported one"),
        (answer(embedding=np.zeros(512, np.float32)), "cosine with the exported one is nan"),
        (answer(embedding=np.full(512, np.nan, np.float32)), "cosine with the exported one is nan"),
    ],
    ids=["score", "no score", "embedding", "zeros", "not a number"],
)
def test_what_is_off_is_said(live: Holistic, said: str) -> None:
    assert said in golden_difference(CASE, live)[1]


def test_without_a_calibration_raw_is_compared() -> None:
    case = replace(CASE, score=NO_SCORE)
    drift, problem = golden_difference(case, answer(score=NO_SCORE))
    assert drift == pytest.approx(0, abs=1e-6)
    assert problem == ""
    assert "the score is 2.280, the export computed 1.280" in golden_difference(case, answer(NO_SCORE, raw=2.28))[1]


def export(version: int, score: float = 61.5) -> Provenance:
    return Provenance(golden_parameters(PIXELS, EMBEDDING, 1.28, score, "fp32") | {"version": str(version)})


PNG = base64.b64decode(export(1).parameters["golden_pixels"])


class Triton:
    """Answers as told, right or wrong."""

    model = "attractiveness"

    def __init__(self) -> None:
        self.ready = True
        self.users_answered = 0
        self.answers_each_wait = 0
        self.provenances = [export(1)]
        self.answers_to_golden: list[Holistic | Exception] = [answer()]
        self.asked = 0

    @property
    def answers(self) -> int:
        """Users' photos answered meanwhile."""
        self.users_answered += self.answers_each_wait
        return self.users_answered

    async def is_ready(self, timeout: float) -> bool:
        return self.ready

    async def provenance(self, timeout: float) -> Provenance:
        return self.provenances.pop(0) if len(self.provenances) > 1 else self.provenances[0]

    async def infer(self, pixels: np.ndarray, **options: Any) -> Holistic:
        np.testing.assert_array_equal(pixels, PIXELS[np.newaxis])
        self.asked += 1
        found = self.answers_to_golden.pop(0) if len(self.answers_to_golden) > 1 else self.answers_to_golden[0]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def triton() -> Triton:
    return Triton()


def monitor(triton: Triton, golden_seconds: float = 3600) -> TritonMonitor:
    return TritonMonitor(cast(TritonClient, triton), check_seconds=1, golden_seconds=golden_seconds)


async def test_it_runs_at_the_first_look_and_then_when_it_is_due(triton: Triton) -> None:
    patient, eager = monitor(triton), monitor(triton, golden_seconds=0)
    for _ in range(3):
        state = await patient.check()
        assert (state.ready, state.golden_ok) == (True, True)
    assert triton.asked == 1
    for _ in range(3):
        await eager.check()
    assert triton.asked == 4


async def test_it_runs_again_after_triton_was_away_and_for_every_export(triton: Triton) -> None:
    watching = monitor(triton)
    await watching.check()
    triton.ready = False
    assert not (await watching.check()).ready
    triton.ready = True
    assert (await watching.check()).ready
    assert triton.asked == 2
    triton.provenances = [export(2)]
    assert (await watching.check()).provenance == export(2)
    assert triton.asked == 3


async def test_a_wrong_answer_makes_it_unready_until_a_right_one(triton: Triton) -> None:
    watching = monitor(triton)
    await watching.check()
    triton.provenances, triton.answers_to_golden = [export(2)], [answer(score=12)]
    for _ in range(2):
        state = await watching.check()
        assert (state.ready, state.golden_ok) == (False, False)
        assert state.reason.startswith("Golden check failed: the score is 12.000")
        assert state.golden_drift == pytest.approx(49.5)
    triton.answers_to_golden = [answer()]
    state = await watching.check()
    assert (state.ready, state.golden_ok, state.reason) == (True, True, "")


async def test_a_version_that_changes_between_question_and_answer_is_not_judged_by_the_other(triton: Triton) -> None:
    watching = monitor(triton, golden_seconds=0)
    await watching.check()
    triton.provenances = [export(1), export(2, score=80)]
    triton.answers_to_golden = [answer(score=80)]
    assert (await watching.check()).ready, "the old case against the new version says nothing"
    state = await watching.check()
    assert (state.ready, state.provenance) == (True, export(2, score=80))


@pytest.mark.parametrize("parameter", ["golden_pixels", "golden_embedding", "golden_score"])
async def test_a_damaged_case_is_a_reason(parameter: str, triton: Triton) -> None:
    triton.provenances = [Provenance(dict(export(1).parameters) | {parameter: "damaged"})]
    state = await monitor(triton).check()
    assert not state.ready
    assert "golden case cannot be read" in state.reason


async def test_a_late_answer_is_unknown_and_a_wrong_one_stays_wrong(triton: Triton) -> None:
    watching = monitor(triton)
    triton.answers_to_golden = [HolisticDeadlineError("too late")]
    state = await watching.check()
    assert (state.ready, state.golden_ok, math.isnan(state.golden_drift)) == (True, None, True)
    triton.answers_to_golden = [answer()]
    assert (await watching.check()).golden_ok is True
    triton.provenances, triton.answers_to_golden = [export(2)], [answer(score=12), HolisticDeadlineError("too late")]
    for _ in range(2):
        state = await watching.check()
        assert (state.ready, state.golden_ok) == (False, False)


async def test_nothing_but_silence_is_an_outage_in_the_end(triton: Triton) -> None:
    watching = monitor(triton)
    await watching.check()
    triton.provenances, triton.answers_to_golden = [export(2)], [HolisticDeadlineError("too late")]
    assert [(await watching.check()).ready for _ in range(4)] == [True, True, False, False]
    assert "did not answer the check: too late" in watching.state.reason
    triton.answers_each_wait = 1
    assert [(await watching.check()).ready for _ in range(4)] == [True] * 4


@pytest.mark.parametrize("error", [HolisticUnavailableError("gone"), HolisticRequestError("out of memory")])
async def test_a_refused_question_is_an_outage_unless_users_are_answered(triton: Triton, error: Exception) -> None:
    watching = monitor(triton, golden_seconds=0)
    await watching.check()
    triton.answers_to_golden = [error]
    assert not (await watching.check()).ready
    triton.answers_each_wait = 1
    assert (await watching.check()).ready


async def test_load_that_makes_the_watch_wait_is_no_outage(triton: Triton) -> None:
    watching = monitor(triton)
    await watching.check()
    triton.ready, triton.answers_each_wait = False, 1
    assert (await watching.check()).ready
    triton.answers_each_wait = 0
    assert not (await watching.check()).ready


@pytest.mark.parametrize(
    "parameters",
    [
        {"golden_pixels": base64.b64encode(PNG[:100]).decode()},
        {"golden_pixels": base64.b64encode(PNG[:60] + b"?" + PNG[61:]).decode()},
        {"golden_embedding": base64.b64encode(b"123").decode()},
        {"golden_embedding": base64.b64encode(EMBEDDING[:7].tobytes()).decode()},
        {"attributes": "[1]"},
        {"attributes": "{"},
        {"golden_score_tolerance": "?"},
    ],
)
async def test_whatever_a_look_fails_on_is_logged_and_not_ready(triton: Triton, parameters: dict[str, str]) -> None:
    watching = monitor(triton)
    triton.provenances = [Provenance(dict(export(1).parameters) | parameters)]
    state = await watching.check()
    assert not state.ready
    assert state.reason
    triton.provenances = [export(1)]
    assert (await watching.check()).ready


async def test_the_watch_survives_what_nobody_foresaw() -> None:
    class Broken(Triton):
        looks = 0

        async def is_ready(self, timeout: float) -> bool:
            self.looks += 1
            if self.looks == 2:
                raise LookupError("nobody foresaw this")
            return True

    states: asyncio.Queue[HolisticState] = asyncio.Queue()
    triton = cast(TritonClient, Broken())
    watching = TritonMonitor(
        triton, check_seconds=0.001, golden_seconds=3600, listener=lambda state: states.put_nowait(state)
    )
    running = asyncio.create_task(watching.run())
    first, second, third = [await asyncio.wait_for(states.get(), 30) for _ in range(3)]
    assert (first.ready, second.ready, third.ready) == (True, False, True)
    assert "LookupError" in second.reason
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_without_an_export_s_case_there_is_nothing_to_check(triton: Triton) -> None:
    triton.provenances = [Provenance()]
    state = await monitor(triton).check()
    assert (state.ready, state.golden_ok, state.provenance.weights) == (True, None, "unknown")
    assert triton.asked == 0
