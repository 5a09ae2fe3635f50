"""Watches Triton: reachable, ready, and answering the golden input as the export did."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from typing import Protocol

import numpy as np
import structlog

from facestats.holistic.backend import Holistic, HolisticDeadlineError, HolisticError, HolisticState
from facestats.holistic.provenance import GoldenCase, Provenance
from facestats.holistic.triton import TritonClient

MIN_GOLDEN_COSINE = 0.999
"""Smallest cosine between the live embedding and the export's; int8 on another processor stays above it."""

_CHECK_TIMEOUT = 5.0

_SILENT_LOOKS = 3
"""Golden questions in a row, without an answer to them or to anybody else, after which Triton counts as not ready."""


class StateListener(Protocol):
    """Told of every new state (metrics)."""

    def __call__(self, state: HolisticState) -> None:
        """Takes the state."""


class TritonMonitor:
    """Keeps ``state`` current by looking at Triton from time to time.

    Args:
        client: The client whose Triton is watched.
        check_seconds: Time between two looks.
        golden_seconds: Time between two golden checks; one also runs after every return and every new export.
        listener: Told of every look's outcome.
    """

    def __init__(
        self,
        client: TritonClient,
        *,
        check_seconds: float,
        golden_seconds: float,
        listener: StateListener | None = None,
    ) -> None:
        self.state = HolisticState()
        self._client = client
        self._check_seconds = check_seconds
        self._golden_seconds = golden_seconds
        self._listener = listener
        self._golden_due = 0.0
        self._silent_looks = 0
        self._log = structlog.get_logger("facestats.health")

    async def run(self) -> None:
        """Looks for ever; cancel to stop."""
        while True:
            await self.check()
            await asyncio.sleep(self._check_seconds)

    async def check(self) -> HolisticState:
        """Looks once and returns the new state; a look that fails itself counts as not ready."""
        before = self.state
        try:
            self.state = await self._look()
        except HolisticError as error:
            self.state = replace(before, ready=False, reason=f"Triton did not answer the check: {error}")
        except Exception as error:
            # Whatever it was, the next look must come: a state that nobody renews would hold for ever.
            self._log.error("look at triton failed", exc_info=error)
            self.state = replace(before, ready=False, reason=f"The look at Triton failed ({type(error).__name__}).")
        if (self.state.ready, self.state.reason) != (before.ready, before.reason):
            self._log.info("triton state", ready=self.state.ready, reason=self.state.reason)
        if self._listener is not None:
            self._listener(self.state)
        return self.state

    def report_unavailable(self, reason: str) -> None:
        """Takes a failed request as news: the state turns not ready at once, the next look decides."""
        self.state = replace(self.state, ready=False, reason=reason)
        if self._listener is not None:
            self._listener(self.state)

    async def _look(self) -> HolisticState:
        old, answers = self.state, self._client.answers
        reason, provenance = f"Triton or its model '{self._client.model}' is not ready.", None
        try:
            if await self._client.is_ready(_CHECK_TIMEOUT):
                provenance = await self._client.provenance(_CHECK_TIMEOUT)
        except HolisticError as error:
            reason = f"Triton did not answer the check: {error}"
        if provenance is None:
            # While it answers its users, that it lets the watch wait is load, not an outage.
            busy = self._client.answers > answers
            return self.state if busy else replace(self.state, ready=False, reason=reason)
        if old.ready and provenance == old.provenance and time.monotonic() < self._golden_due:
            return self.state
        try:
            # Damaged heads would fail every photo.
            case, _ = provenance.golden_case(), provenance.attributes
        except (ValueError, KeyError, OSError) as error:
            return replace(old, ready=False, reason=f"The export's golden case cannot be read: {error!r}")
        if case is None:
            return HolisticState(True, "", provenance)
        return await self._golden_check(case, provenance)

    async def _golden_check(self, case: GoldenCase, provenance: Provenance) -> HolisticState:
        old, answers = self.state, self._client.answers
        try:
            live = await self._client.infer(case.pixels[np.newaxis], timeout=_CHECK_TIMEOUT, embedding=True)
        except HolisticError as error:
            self._golden_due = 0.0
            if self._client.answers > answers:
                self._silent_looks = 0
            elif isinstance(error, HolisticDeadlineError):
                self._silent_looks += 1
            else:
                self._silent_looks = _SILENT_LOOKS
            if self._silent_looks >= _SILENT_LOOKS:
                return replace(old, ready=False, reason=f"Triton did not answer the check: {error}")
            if old.golden_ok is False and provenance == old.provenance:
                # What was wrong stays so until a right answer.
                return old
            # The question stands in one queue with the users' photos. A late answer says nothing about a wrong one.
            return HolisticState(True, "", provenance)
        self._silent_looks = 0
        self._golden_due = time.monotonic() + self._golden_seconds
        drift, problem = golden_difference(case, live)
        if problem and await self._client.provenance(_CHECK_TIMEOUT) != provenance:
            # Another version went live between the question and the answer: the next look asks for its own case.
            self._golden_due = 0.0
            return self.state
        if problem:
            self._log.error("golden check failed", problem=problem)
            return HolisticState(False, f"Golden check failed: {problem}", provenance, False, drift)
        return HolisticState(True, "", provenance, True, drift)


def golden_difference(case: GoldenCase, live: Holistic) -> tuple[float, str]:
    """Compares a live answer with the export's.

    Args:
        case: The stored input and answer.
        live: Triton's answer for ``case.pixels``, with the embedding.

    Returns:
        The score's absolute difference in points (of ``raw`` when the export is uncalibrated), and what is wrong (empty
        when nothing is).
    """
    assert live.embedding is not None
    embedding = live.embedding[0]
    norms = float(np.linalg.norm(embedding) * np.linalg.norm(case.embedding))
    cosine = float(embedding @ case.embedding) / norms if norms > 0 else math.nan
    calibrated = case.score >= 0
    expected, got = (case.score, float(live.score[0])) if calibrated else (case.raw, float(live.raw[0]))
    drift = abs(got - expected)
    if not cosine >= MIN_GOLDEN_COSINE:
        return drift, f"the embedding's cosine with the exported one is {cosine:.4f}, below {MIN_GOLDEN_COSINE}."
    if not drift <= case.score_tolerance:
        return (
            drift,
            f"the score is {got:.3f}, the export computed {expected:.3f} (tolerance {case.score_tolerance:g}).",
        )
    return drift, ""
