"""The service's answers as typed values; fields that a newer service adds are kept, not refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Base: immutable and tolerant of fields it does not know (they are in ``model_extra``)."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Interval(Answer):
    """The range in which the score of the same photo, taken or stored again, lies 19 times in 20, 0..100."""

    low: float
    high: float


class Metric(Answer):
    """One anthropometric metric.

    Attributes:
        value: In ``unit``, corrected to a frontal, closed-mouth face; ``None`` when the photo does not support it.
        score: 0..100.
        percentile: Share of the reference faces with a smaller value, percent.
        reason: Why there is no value.
    """

    name: str
    title: str = ""
    group: str
    value: float | None = None
    unit: str = ""
    score: float | None = None
    percentile: float | None = None
    reason: str | None = None


class Geometric(Answer):
    """The geometric half: 0..100 altogether, by group and by metric.

    Attributes:
        sex: Whose parameter set was used: ``female``, ``male`` or ``pooled``.
        design: ``metrics``, ``shape`` or ``mean``.
    """

    score: float | None = None
    interval: Interval | None = None
    sex: str = "pooled"
    design: str = "metrics"
    groups: dict[str, float | None] = Field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()


class Attribute(Answer):
    """What a further head of the operator's says.

    Attributes:
        label: The likeliest class.
        probability: Of each class.
    """

    label: str
    probability: dict[str, float] = Field(default_factory=dict)


class Holistic(Answer):
    """The holistic half.

    Attributes:
        score: 0..100: percentile of ``raw`` in the calibration; ``None`` when uncalibrated.
        raw: The regressor's output in its own unit.
        crop: ``aligned`` or ``full``.
        attributes: By head; ``None`` unless the operator has added heads.
    """

    score: float | None = None
    interval: Interval | None = None
    raw: float
    crop: str = "aligned"
    attributes: dict[str, Attribute] | None = None


class Pose(Answer):
    """Head pose in degrees."""

    yaw: float
    pitch: float
    roll: float


class Quality(Answer):
    """How far a photo supports a score: 0..100, a level, and what a person can do about it.

    Attributes:
        factors: Each 0..1; below 0.8 it is among the warnings.
    """

    reliability: float
    level: str
    warnings: tuple[str, ...] = ()
    factors: dict[str, float] = Field(default_factory=dict)


class Face(Answer):
    """One face.

    Attributes:
        score: The blend, 0..100; ``None`` when either half is missing.
        interval: Of the blend; ``None`` where a half's is unknown.
        blend: Shares of the halves.
        box: Left, top, right, bottom as shares of the upright image.
        landmarks: [478][3], normalised by the image, when asked for.
        embedding: [512], L2-normalised, when asked for.
        overlay: ``data:`` URL of the annotated photo, when asked for.
    """

    score: float | None = None
    interval: Interval | None = None
    geometric: Geometric
    holistic: Holistic | None = None
    blend: dict[str, float] = Field(default_factory=dict)
    box: tuple[float, float, float, float]
    pose: Pose
    quality: Quality
    landmarks: tuple[tuple[float, float, float], ...] | None = None
    embedding: tuple[float, ...] | None = None
    overlay: str | None = None


class ModelInfo(Answer):
    """Which model answered; equal receipts mean comparable scores.

    Attributes:
        weights: ``trained``, ``untrained`` (the holistic half means nothing) or ``unknown``.
        training: On what the regressor was trained, how well it does on unseen photos, and when; if it says.
    """

    weights: str
    clip: str = "unknown"
    regressor: str = "unknown"
    training: str | None = None
    calibration: str = "unknown"
    precision: str = "unknown"
    receipt: str = "unknown"


class ScoreResult(Answer):
    """The answer for one photo: its faces, largest first.

    Attributes:
        faces_found: Faces seen in the photo, whether scored or not.
        degraded: Triton was away and geometry answers alone.
        notices: What a reader of the score must know.
        timing_ms: Milliseconds by stage.
    """

    faces: tuple[Face, ...]
    faces_found: int = 1
    model: ModelInfo
    degraded: bool = False
    notices: tuple[str, ...] = ()
    timing_ms: dict[str, float] = Field(default_factory=dict)

    @property
    def face(self) -> Face:
        """The largest face."""
        return self.faces[0]


class PersonHalf(Answer):
    """One half of the score over several photos.

    Attributes:
        score: Robust mean, 0..100.
        interval: 95 % range of the mean; ``None`` where nothing tells it.
    """

    score: float
    interval: Interval | None = None


class PersonPhoto(Answer):
    """What one of several photos said.

    Attributes:
        index: Its place among those sent.
        used: Whether it counted.
        reason: Why it was left out.
        weight: Its share of the geometric mean, 0..1.
    """

    index: int
    used: bool
    reason: str | None = None
    weight: float = 0.0
    score: float | None = None
    geometric: float | None = None
    holistic: float | None = None
    reliability: float | None = None
    warnings: tuple[str, ...] = ()


class PersonResult(Answer):
    """The answer for several photos of one person.

    Attributes:
        score: Blend of the two halves' means, 0..100; ``None`` when either is missing.
        interval: 95 % range of the blend; ``None`` where a half's is unknown.
        photos: In the order they were sent.
    """

    score: float | None = None
    interval: Interval | None = None
    geometric: PersonHalf
    holistic: PersonHalf | None = None
    blend: dict[str, float] = Field(default_factory=dict)
    photos: tuple[PersonPhoto, ...]
    model: ModelInfo
    degraded: bool = False
    notices: tuple[str, ...] = ()
