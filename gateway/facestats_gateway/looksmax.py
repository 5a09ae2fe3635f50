"""Our result in the JSON layout of the LooksmaxAI backend, whose iOS app reads it.

A field is filled when a metric of ours measures the same proportion as that backend's function of the field's name; all
others are null, and "number or null" in the schema: client generators know no property that is never anything. Scores
are 0..100, rounded to a tenth as there.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from facestats.geometry import Sex
from facestats.problems import Problem
from facestats.scoring.schemas import Document, FaceDocument

MISSING_IMAGES = "Missing images"
UNAVAILABLE = "Face analysis service is currently unavailable. Please try again later."

Side = Literal["front", "side"]


class Section(Document):
    """Base of the layout's parts: camelCase in JSON."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Overall(Section):
    """The score."""

    psl: float = Field(description="The 60/40 score, 0..100.")
    potential: float | None = Field(None, description="Not measurable from a photo: always null.")


class Eyes(Section):
    """The eyes."""

    orbital_depth: float | None = None
    canthal_tilt: float | None
    eyebrow_density: float | None = None
    eyelash_density: float | None = None
    eyelid_exposure: float | None
    under_eye_health: float | None = None


class Midface(Section):
    """The middle of the face."""

    cheekbones: float | None = None
    maxilla: float | None = None
    nose: float | None
    ipd: float | None
    fwhr: float | None
    compactness: float | None


class LowerThird(Section):
    """Mouth and jaw."""

    lips: float | None
    mandible: float | None = None
    gonial_angle: float | None = None
    ramus: float | None = None
    hyoid_skin_tightness: float | None = None
    jaw_width: float | None


class UpperThird(Section):
    """Forehead and hairline: nothing of it shows in the mesh, which ends below the hairline."""

    norwood_stage: float | None = None
    forehead_projection: float | None = None
    hairline_recession: float | None = None
    hair_thinning: float | None = None
    hairline_density: float | None = None
    forehead_slope: float | None = None


class Miscellaneous(Section):
    """The rest."""

    skin: float | None = None
    harmony: float | None
    symmetry: float | None
    neck_width: float | None = None
    bloat: float | None = None
    bone_mass: float | None = None


class Analysis(Section):
    """The whole answer."""

    overall: Overall
    eyes: Eyes
    midface: Midface
    lower_third: LowerThird
    upper_third: UpperThird
    miscellaneous: Miscellaneous
    ascension_date: str | None = Field(None, description="That backend drew it at random: always null here.")


class ErrorDocument(Document):
    """That backend's form of an error."""

    error: str


def analysis(face: FaceDocument) -> Analysis:
    """Fills the layout from a scored face.

    Raises:
        Problem: It has no overall score, which the app would show as 50.
    """
    if face.geometric.score is None:
        raise Problem("unusable-face", " ".join(face.quality.warnings) or "It supports too few measurements.")
    if face.score is None:
        raise Problem("triton-unavailable", "There is no holistic score to go with the geometry.", retry_after=5)
    scores = {metric.name: _tenth(metric.score) for metric in face.geometric.metrics}
    return Analysis(
        overall=Overall(psl=round(face.score, 1)),
        eyes=Eyes(canthal_tilt=scores["canthal_tilt"], eyelid_exposure=scores["eye_aspect"]),
        midface=Midface(
            nose=scores["nose_length_face"],
            ipd=scores["eye_spacing"],
            fwhr=scores["fwhr"],
            compactness=scores["facial_index"],
        ),
        lower_third=LowerThird(lips=scores["lip_fullness"], jaw_width=scores["bigonial"]),
        upper_third=UpperThird(),
        miscellaneous=Miscellaneous(harmony=_tenth(face.geometric.groups["overall"]), symmetry=scores["asymmetry"]),
    )


def sex_of(gender: str | None) -> Sex | None:
    """The parameter set for the form's ``gender``: ``Male`` or ``Female``; pooled for anything else, never a guess."""
    sexes: dict[str, Sex] = {"male": "male", "female": "female"}
    return sexes.get((gender or "").strip().lower())


def error_of(problem: Problem, side: Side | None = None) -> tuple[int, str]:
    """A problem as that backend's status (400 or 503) and words.

    Args:
        problem: What went wrong.
        side: Which photo it concerns, when it concerns one.
    """
    if problem.kind.status >= 500 or problem.kind.status == 429:
        return 503, UNAVAILABLE
    if problem.code == "no-face" and side is not None:
        return 400, f"Face not detected in {side} image"
    return 400, problem.detail if side is None else f"The {side} image cannot be used: {problem.detail}"


def _tenth(score: float | None) -> float | None:
    return None if score is None else round(score, 1)
