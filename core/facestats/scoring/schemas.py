"""The HTTP API's documents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from facestats.faces.options import Crop
from facestats.geometry import GeometryDesign, ParameterSet
from facestats.geometry.quality import Level


def _rounded(digits: int) -> PlainSerializer:
    return PlainSerializer(lambda value: None if value is None else round(value, digits), when_used="json")


Points = Annotated[float, _rounded(2), Field(ge=0, le=100)]
"""A score, 0..100, given to 0.01."""
Measure = Annotated[float, _rounded(4)]
"""A measured value in its own unit, given to 0.0001."""
Box = Annotated[
    tuple[Measure, Measure, Measure, Measure],
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}),
]
Point = Annotated[
    tuple[Measure, Measure, Measure],
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}),
]
"""Tuples of numbers, in the words of JSON Schema that client generators know."""
Degrees = Annotated[float, _rounded(1)]
Milliseconds = Annotated[float, _rounded(2)]


class Document(BaseModel):
    """Base of every answer: immutable, documented by its fields."""

    model_config = ConfigDict(frozen=True)


class IntervalDocument(Document):
    """The range in which the score of the same photo, taken or stored again, lies 19 times in 20.

    It covers the photo's own noise (roll, size, compression, light), not the person: another expression or another day
    moves a score further.
    """

    low: Points
    high: Points


class MetricDocument(Document):
    """One anthropometric metric of a face."""

    name: str = Field(description="Stable key, e.g. `canthal_tilt`.")
    title: str = Field(description="Name for people.")
    group: str
    value: Measure | None = Field(description="Corrected to a frontal, closed-mouth face; null when unsupported.")
    unit: str
    score: Points | None
    percentile: Points | None = Field(description="Share of the reference faces with a smaller value, percent.")
    reason: str | None = Field(None, description="Why the photo does not support this metric.")


class GeometricDocument(Document):
    """The geometric half."""

    score: Points | None
    interval: IntervalDocument | None = Field(None, description="95 % range of measuring the same photo again.")
    sex: ParameterSet = Field(description="Parameter set used; `pooled` when not given.")
    design: GeometryDesign
    groups: dict[str, Points | None]
    metrics: list[MetricDocument]


class AttributeDocument(Document):
    """An opt-in attribute head's answer."""

    label: str
    probability: dict[str, Annotated[float, _rounded(4)]]


class HolisticDocument(Document):
    """The holistic half: CLIP embedding and FaceStats regressor."""

    score: Points | None = Field(description="Percentile of `raw` in the calibration; null when uncalibrated.")
    interval: IntervalDocument | None = Field(
        None, description="As above; null unless `facestats repeatability` has measured the served model."
    )
    raw: Annotated[float, _rounded(6)] = Field(description="The regressor's output in its own unit.")
    crop: Crop
    attributes: dict[str, AttributeDocument] | None = None


class BlendDocument(Document):
    """Shares of the two halves."""

    geometric: float
    holistic: float


class PoseDocument(Document):
    """Head pose in degrees.

    Yaw > 0 looks towards the image's left, pitch > 0 down, roll > 0: the eye on the image's right is lower.
    """

    yaw: Degrees
    pitch: Degrees
    roll: Degrees


class QualityDocument(Document):
    """How far the photo supports a score."""

    reliability: Annotated[float, _rounded(1)] = Field(ge=0, le=100)
    level: Level
    warnings: list[str] = Field(description="What a person can do about it, worst first.")
    factors: dict[str, Annotated[float, _rounded(3)]] = Field(
        default_factory=dict,
        description="Each 0..1; below 0.8 it is warned of. `pose`, `size`, `mouth`, `fit`, `framing` multiply to the "
        "reliability; the others (`sharpness`, `brightness`, `highlights`, `colour`, `eyes`, `edge`, `company`) change "
        "nothing and are absent where they cannot be told.",
    )


class FaceDocument(Document):
    """One face of the photo."""

    score: Points | None = Field(description="60 % geometry + 40 % holistic; null when either half is missing.")
    interval: IntervalDocument | None = Field(None, description="Of the blend; null where a half's is unknown.")
    geometric: GeometricDocument
    holistic: HolisticDocument | None
    blend: BlendDocument
    box: Box = Field(description="Left, top, right, bottom as shares of the upright image.")
    pose: PoseDocument
    quality: QualityDocument
    landmarks: list[Point] | None = Field(
        None, description="478 Face Mesh points (x, y, z), normalised by the upright image; with `include=landmarks`."
    )
    embedding: list[float] | None = Field(None, description="512 numbers, L2-normalised; with `include=embedding`.")
    overlay: str | None = Field(None, description="`data:` URL of a JPEG with the measurements; `include=overlay`.")


class ModelDocument(Document):
    """Which model answered."""

    weights: str = Field(description="`trained`, `untrained` (the holistic half means nothing) or `unknown`.")
    clip: str
    regressor: str
    training: str | None = Field(
        None, description="On what the regressor was trained, how well it does on unseen photos, and when; if it says."
    )
    calibration: str
    precision: str
    receipt: str = Field(description="Equal receipts mean comparable scores.")


class TimingDocument(Document):
    """Where the time went, milliseconds."""

    queue: Milliseconds
    decode: Milliseconds
    landmarks: Milliseconds
    geometry: Milliseconds
    triton: Milliseconds
    total: Milliseconds


class ScoreDocument(Document):
    """The answer for one photo."""

    faces: list[FaceDocument] = Field(description="Largest first; one unless `faces=all`.")
    faces_found: int = Field(1, ge=1, description="Faces seen in the photo, whether scored or not.")
    model: ModelDocument
    degraded: bool = Field(False, description="True when Triton was away and geometry answers alone.")
    notices: list[str] = Field(default_factory=list, description="What a reader of the score must know.")
    timing_ms: TimingDocument


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="`urn:facestats:problem:<code>`; stable.")
    title: str
    status: int
    detail: str
    instance: str | None = None
    retry_after: float | None = None


class BatchScoreDocument(ScoreDocument):
    """A line of a batch's answer: a scored photo."""

    index: int = Field(ge=0, description="Position of the photo among the request's `images`.")


class BatchProblemDocument(Document):
    """A line of a batch's answer: a photo that cannot be scored."""

    index: int = Field(ge=0, description="Position of the photo among the request's `images`.")
    problem: ProblemDocument


class ModelCardDocument(ModelDocument):
    """What is being served."""

    blend: BlendDocument
    geometry: GeometryDesign = Field(description="Geometric design.")
    notices: list[str]
    provenance: dict[str, str] = Field(description="All the export said of itself; empty when unknown.")


class PersonHalfDocument(Document):
    """One half of the score over several photos."""

    score: Points
    interval: IntervalDocument | None = Field(
        description="95 % range of the mean, from the photos' own spread; null where nothing tells it."
    )


class PersonPhotoDocument(Document):
    """What one of the photos said."""

    index: int = Field(ge=0, description="Position among the request's `images`.")
    used: bool
    reason: str | None = Field(description="Why it was left out.")
    weight: Annotated[float, _rounded(3)] = Field(ge=0, le=1, description="Its share of the geometric mean.")
    score: Points | None
    geometric: Points | None
    holistic: Points | None
    reliability: Annotated[float, _rounded(1)] | None
    warnings: list[str]


class PersonDocument(Document):
    """The answer for several photos of one person; that they show the same person is the caller's word."""

    score: Points | None = Field(description="Blend of the two halves' means; null when either is missing.")
    interval: IntervalDocument | None = Field(description="95 % range of the blend; null where a half's is unknown.")
    geometric: PersonHalfDocument
    holistic: PersonHalfDocument | None
    blend: BlendDocument
    photos: list[PersonPhotoDocument] = Field(description="In the order they were sent.")
    model: ModelDocument
    degraded: bool
    notices: list[str]


class HealthDocument(Document):
    """Liveness."""

    status: Literal["ok"]


class ReadinessDocument(Document):
    """Readiness and, when not ready, why."""

    ready: bool
    reason: str
    triton: bool = Field(description="Triton and its models are ready.")
    golden_check: bool | None = Field(description="The live models answer as the export did; null without a case.")
