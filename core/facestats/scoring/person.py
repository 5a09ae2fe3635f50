"""Several photos of one person: each scored by itself, their halves averaged robustly, then blended.

Nothing compares faces: whether the photos show the same person is the caller's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from facestats.deadline import Deadline
from facestats.faces.options import ScoreOptions
from facestats.problems import Problem
from facestats.scoring.blend import BlendWeights, blend
from facestats.scoring.interval import Interval, blended_interval
from facestats.scoring.pipeline import PhotoScorer
from facestats.scoring.robust_mean import Measured, robust_mean
from facestats.scoring.schemas import (
    BlendDocument,
    FaceDocument,
    IntervalDocument,
    PersonDocument,
    PersonHalfDocument,
    PersonPhotoDocument,
    ScoreDocument,
)

LEAST_PHOTOS = 2

_OWN_FAULTS = (400, 413, 415, 422)
"""Statuses of problems that lie in one photo; any other is the request's."""

_SMALLEST_ERROR = 0.1
"""Standard error that a photo near the ends of the scale is not taken to be below, points."""

_HALF_WIDTH = 1.96
"""Half of a 95 % interval in standard errors."""


async def score_person(
    scorer: PhotoScorer, images: Sequence[bytes], options: ScoreOptions, deadline: Deadline
) -> PersonDocument:
    """Scores several photos of one person, the largest face of each.

    Args:
        scorer: Scores each photo.
        images: Encoded images, at least ``LEAST_PHOTOS``.
        options: The same for all; ``all_faces`` and ``include`` do not apply.
        deadline: One budget for all.

    Raises:
        Problem: ``bad-parameter`` for fewer photos, ``no-usable-photo``, or whatever stopped the whole request.
    """
    if len(images) < LEAST_PHOTOS:
        raise Problem(
            "bad-parameter", f"`images`: {len(images)} were sent; a person's score needs at least {LEAST_PHOTOS}."
        )
    alone = ScoreOptions(options.crop, sex=options.sex, capture=options.capture)
    tasks = [asyncio.create_task(_outcome(scorer, image, alone, deadline)) for image in images]
    try:
        return person_document(await asyncio.gather(*tasks))
    finally:
        # What stops one of them stops the request.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _outcome(
    scorer: PhotoScorer, image: bytes, options: ScoreOptions, deadline: Deadline
) -> ScoreDocument | Problem:
    try:
        return await scorer.score(image, options, deadline, wait=True)
    except Problem as problem:
        if problem.kind.status not in _OWN_FAULTS:
            raise
        return problem


def person_document(outcomes: Sequence[ScoreDocument | Problem]) -> PersonDocument:
    """The answer for several photos.

    Args:
        outcomes: Of each photo, its answer or what is wrong with it.

    Raises:
        Problem: ``no-usable-photo``, or ``triton-unavailable`` if the model changed between the photos.
    """
    reasons = [_reason(outcome) for outcome in outcomes]
    used = {
        index: outcome
        for index, outcome in enumerate(outcomes)
        if reasons[index] is None and isinstance(outcome, ScoreDocument)
    }
    if not used:
        said = " ".join(f"Photo {index + 1}: {reason}" for index, reason in enumerate(reasons))
        raise Problem("no-usable-photo", f"None of the {len(outcomes)} photos supports a score. {said}")
    answers = list(used.values())
    if len({answer.model.receipt for answer in answers}) > 1:
        raise Problem(
            "triton-unavailable", "The model changed while the photos were scored; send them again.", retry_after=1
        )
    faces = [answer.faces[0] for answer in answers]
    geometric, shares = _half([(face.geometric.score, face.geometric.interval, face) for face in faces])
    halves = [face.holistic for face in faces]
    holistic, _ = _half(
        [
            (half.score if half else None, half.interval if half else None, face)
            for half, face in zip(halves, faces, strict=True)
        ]
    )
    assert geometric is not None
    weights = BlendWeights(faces[0].blend.geometric, faces[0].blend.holistic)
    score = blend(geometric.score, holistic.score if holistic else None, weights)
    blended = blended_interval(score, _placed(geometric), _placed(holistic), weights)
    weight_of = dict(zip(used, shares, strict=True))
    return PersonDocument(
        score=score,
        interval=None if blended is None else IntervalDocument(low=blended.low, high=blended.high),
        geometric=geometric,
        holistic=holistic,
        blend=BlendDocument(geometric=weights.geometric, holistic=weights.holistic),
        photos=[
            _photo(index, outcome, reason, weight_of.get(index, 0.0))
            for index, (outcome, reason) in enumerate(zip(outcomes, reasons, strict=True))
        ],
        model=answers[0].model,
        degraded=any(answer.degraded for answer in answers),
        notices=list(dict.fromkeys(notice for answer in answers for notice in answer.notices)),
    )


def _reason(outcome: ScoreDocument | Problem) -> str | None:
    """Why a photo is left out; ``None`` if it counts."""
    if isinstance(outcome, Problem):
        return outcome.detail
    face = outcome.faces[0]
    if face.quality.level == "poor":
        return face.quality.warnings[0]
    return None if face.geometric.score is not None else "The photo shows too little of the face for a score."


def _half(
    values: Sequence[tuple[float | None, IntervalDocument | None, FaceDocument]],
) -> tuple[PersonHalfDocument | None, tuple[float, ...]]:
    """The mean of one half and each photo's share; no mean where a photo has no such half."""
    scores = [score for score, _, _ in values if score is not None]
    if len(scores) < len(values):
        return None, ()
    if len(values) == 1:
        return PersonHalfDocument(score=scores[0], interval=values[0][1]), (1.0,)
    mean = robust_mean(
        [_measured(score, interval, face) for score, (_, interval, face) in zip(scores, values, strict=True)]
    )
    interval = None if mean.interval is None else IntervalDocument(low=mean.interval.low, high=mean.interval.high)
    return PersonHalfDocument(score=mean.value, interval=interval), mean.weights


def _measured(score: float, interval: IntervalDocument | None, face: FaceDocument) -> Measured:
    if interval is None:
        # Of unknown noise, less reliable photos are taken to have more of it.
        return Measured(score, (100.0 / face.quality.reliability) ** 0.5, known=False)
    error = (interval.high - interval.low) / 2 / _HALF_WIDTH
    return Measured(score, max(_SMALLEST_ERROR, error), known=True)


def _placed(half: PersonHalfDocument | None) -> tuple[float, Interval] | None:
    return (
        None if half is None or half.interval is None else (half.score, Interval(half.interval.low, half.interval.high))
    )


def _photo(index: int, outcome: ScoreDocument | Problem, reason: str | None, weight: float) -> PersonPhotoDocument:
    face = outcome.faces[0] if isinstance(outcome, ScoreDocument) else None
    return PersonPhotoDocument(
        index=index,
        used=reason is None,
        reason=reason,
        weight=weight,
        score=face and face.score,
        geometric=face and face.geometric.score,
        holistic=face and face.holistic and face.holistic.score,
        reliability=face and face.quality.reliability,
        warnings=list(face.quality.warnings) if face else [],
    )
