"""The 25 facial metrics, each declared once: name, unit, formula, landmarks, meaning and how it is measured.

Formulas use d(i,j): distance in x, y; v(i,j): how far j lies below i; rise(i,j): angle of i->j above the horizontal,
outward positive on either side; ZY: face width d(234,454); EW: mean eye width; IPD: distance of the eye midpoints; EY
and BY: level of the eyes and of the brows. All of it in the canonical frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from facestats.geometry.anatomy import (
    ALARE,
    BROW_INNER,
    BROW_MIDDLE,
    BROWS,
    CHEILION,
    CHIN_CONTOUR,
    ENDOCANTHION,
    EXOCANTHION,
    EYELIDS,
    FOREHEAD_TOP,
    FRONTOTEMPORALE,
    GLABELLA,
    GNATHION,
    GONION,
    LABIALE_INFERIUS,
    LABIALE_SUPERIUS,
    NASION,
    SHAPE_LANDMARKS,
    STOMION_LOWER,
    STOMION_UPPER,
    SUBNASALE,
    ZYGION,
)
from facestats.geometry.canonical import CanonicalFace
from facestats.geometry.reference import Group

Unit = Literal["deg", "ratio", "percent", "percent of outer-canthal width"]

_SMALLEST_HEIGHT = 0.02
"""Floor of a vertical denominator, outer-canthal widths; without it a flat profile view would divide by nothing."""

_EYES = (*EXOCANTHION, *ENDOCANTHION)
_LIDS = tuple(point for eye in EYELIDS for pair in eye for point in pair)
_BROW_POINTS = tuple(point for brow in BROWS for point in brow)
_WHOLE_FACE = tuple(range(SHAPE_LANDMARKS))


@dataclass(frozen=True)
class Metric:
    """One facial measurement.

    Attributes:
        name: Stable key.
        title: What people call it.
        group: Part of the face it belongs to.
        unit: Unit of its value.
        formula: How it is computed, in the notation of this module.
        points: Farkas' names of the points.
        landmarks: Face Mesh vertices that the value depends on.
        meaning: What it tells, in a sentence.
        measure: Value of a canonical face before the correction for pose and mouth.
    """

    name: str
    title: str
    group: Group
    unit: Unit
    formula: str
    points: str
    landmarks: tuple[int, ...]
    meaning: str
    measure: Callable[[CanonicalFace], float]


def _eye_aspect(face: CanonicalFace) -> float:
    right, left = (
        face.mean_distance(lids) / face.distance(outer, inner)
        for lids, outer, inner in zip(EYELIDS, EXOCANTHION, ENDOCANTHION, strict=True)
    )
    return (right + left) / 2


def _height(length: float) -> float:
    return max(length, _SMALLEST_HEIGHT)


def _upper_lip(face: CanonicalFace) -> float:
    return face.distance(LABIALE_SUPERIUS, STOMION_UPPER)


def _lower_lip(face: CanonicalFace) -> float:
    return face.distance(STOMION_LOWER, LABIALE_INFERIUS)


METRICS: tuple[Metric, ...] = (
    Metric(
        name="canthal_tilt",
        title="Canthal tilt",
        group="eyes",
        unit="deg",
        formula="(rise(133,33) + rise(362,263)) / 2",
        points="en, ex",
        landmarks=_EYES,
        meaning="How much the outer corners of the eyes sit above the inner ones",
        measure=lambda face: face.rise(ENDOCANTHION, EXOCANTHION),
    ),
    Metric(
        name="eye_aspect",
        title="Eye openness",
        group="eyes",
        unit="ratio",
        formula="mean of both eyes of mean[d(159,145), d(160,144), d(158,153)] / d(33,133), left eye with "
        "[d(386,374), d(387,373), d(385,380)] / d(263,362)",
        points="ps, pi, en, ex",
        landmarks=_EYES + _LIDS,
        meaning="Height of the eyes relative to their width",
        measure=_eye_aspect,
    ),
    Metric(
        name="intercanthal_eye",
        title="Eye separation / eye width",
        group="eyes",
        unit="ratio",
        formula="d(133,362) / EW",
        points="en-en / en-ex",
        landmarks=_EYES,
        meaning="Gap between the eyes in eye widths, as in the rule of fifths",
        measure=lambda face: face.distance(*ENDOCANTHION) / face.eye_width,
    ),
    Metric(
        name="eye_width_face",
        title="Eye width / face width",
        group="eyes",
        unit="ratio",
        formula="EW / ZY",
        points="en-ex / zy-zy",
        landmarks=_EYES + ZYGION,
        meaning="How large the eyes are for the face, as in the rule of fifths",
        measure=lambda face: face.eye_width / face.face_width,
    ),
    Metric(
        name="eye_spacing",
        title="Eye spacing",
        group="eyes",
        unit="ratio",
        formula="IPD / ZY",
        points="p-p (proxy) / zy-zy",
        landmarks=_EYES + ZYGION,
        meaning="Distance between the centres of the eyes relative to the width of the face",
        measure=lambda face: face.pupil_distance / face.face_width,
    ),
    Metric(
        name="fwhr",
        title="Facial width-height ratio",
        group="midface",
        unit="ratio",
        formula="ZY / v(9,0)",
        points="zy-zy / g-ls",
        landmarks=(*ZYGION, GLABELLA, LABIALE_SUPERIUS),
        meaning="Width of the face against the height from brow to lip",
        measure=lambda face: face.face_width / _height(face.drop(GLABELLA, LABIALE_SUPERIUS)),
    ),
    Metric(
        name="midface_ratio",
        title="Midface ratio",
        group="midface",
        unit="ratio",
        formula="IPD / (y(0) - EY)",
        points="p-p (proxy) / p-ls",
        landmarks=(*_EYES, LABIALE_SUPERIUS),
        meaning="Compactness of the middle of the face",
        measure=lambda face: face.pupil_distance / _height(float(face.points[LABIALE_SUPERIUS, 1]) - face.eye_level),
    ),
    Metric(
        name="nose_intercanthal",
        title="Nose width / eye separation",
        group="midface",
        unit="ratio",
        formula="d(129,358) / d(133,362)",
        points="al-al / en-en",
        landmarks=ALARE + ENDOCANTHION,
        meaning="Width of the nose against the gap between the eyes",
        measure=lambda face: face.distance(*ALARE) / face.distance(*ENDOCANTHION),
    ),
    Metric(
        name="nasal_index",
        title="Nasal index",
        group="midface",
        unit="percent",
        formula="100 * d(129,358) / d(168,2)",
        points="al-al / n-sn",
        landmarks=(*ALARE, NASION, SUBNASALE),
        meaning="Width of the nose as a share of its length",
        measure=lambda face: 100 * face.distance(*ALARE) / face.distance(NASION, SUBNASALE),
    ),
    Metric(
        name="nose_length_face",
        title="Nose length / face height",
        group="midface",
        unit="ratio",
        formula="v(168,2) / v(168,152)",
        points="n-sn / n-gn",
        landmarks=(NASION, SUBNASALE, GNATHION),
        meaning="Share of the face height taken by the nose",
        measure=lambda face: face.drop(NASION, SUBNASALE) / _height(face.drop(NASION, GNATHION)),
    ),
    Metric(
        name="mouth_nose",
        title="Mouth width / nose width",
        group="lower_third",
        unit="ratio",
        formula="d(61,291) / d(129,358)",
        points="ch-ch / al-al",
        landmarks=CHEILION + ALARE,
        meaning="Width of the mouth against the width of the nose",
        measure=lambda face: face.distance(*CHEILION) / face.distance(*ALARE),
    ),
    Metric(
        name="lip_ratio",
        title="Upper / lower lip",
        group="lower_third",
        unit="ratio",
        formula="d(0,13) / d(14,17)",
        points="ls-sto / sto-li",
        landmarks=(LABIALE_SUPERIUS, STOMION_UPPER, STOMION_LOWER, LABIALE_INFERIUS),
        meaning="Thickness of the upper lip against the lower",
        measure=lambda face: _upper_lip(face) / _height(_lower_lip(face)),
    ),
    Metric(
        name="lip_fullness",
        title="Lip fullness",
        group="lower_third",
        unit="ratio",
        formula="(d(0,13) + d(14,17)) / d(61,291)",
        points="(ls-sto + sto-li) / ch-ch",
        landmarks=(LABIALE_SUPERIUS, STOMION_UPPER, STOMION_LOWER, LABIALE_INFERIUS, *CHEILION),
        meaning="Thickness of the lips relative to the width of the mouth",
        measure=lambda face: (_upper_lip(face) + _lower_lip(face)) / face.distance(*CHEILION),
    ),
    Metric(
        name="philtrum_chin",
        title="Philtrum / chin",
        group="lower_third",
        unit="ratio",
        formula="v(2,0) / v(17,152)",
        points="sn-ls / li-gn",
        landmarks=(SUBNASALE, LABIALE_SUPERIUS, LABIALE_INFERIUS, GNATHION),
        meaning="Height of the skin of the upper lip against the height of the chin",
        measure=lambda face: face.drop(SUBNASALE, LABIALE_SUPERIUS) / _height(face.drop(LABIALE_INFERIUS, GNATHION)),
    ),
    Metric(
        name="jaw_angle",
        title="Frontal jaw angle",
        group="lower_third",
        unit="deg",
        formula="angle between the vectors 149->172 and 378->397 (x, y)",
        points="go (proxy), chin contour (proxy)",
        landmarks=CHIN_CONTOUR + GONION,
        meaning="Opening of the V formed by the two lines of the jaw: larger is flatter, smaller is steeper",
        measure=lambda face: face.angle_between((CHIN_CONTOUR[0], GONION[0]), (CHIN_CONTOUR[1], GONION[1])),
    ),
    Metric(
        name="chin_width",
        title="Chin width",
        group="lower_third",
        unit="ratio",
        formula="d(149,378) / ZY",
        points="chin contour (proxy) / zy-zy",
        landmarks=CHIN_CONTOUR + ZYGION,
        meaning="Width of the chin relative to the face",
        measure=lambda face: face.distance(*CHIN_CONTOUR) / face.face_width,
    ),
    Metric(
        name="bigonial",
        title="Jaw width",
        group="lower_third",
        unit="ratio",
        formula="d(172,397) / ZY",
        points="go-go (proxy) / zy-zy",
        landmarks=GONION + ZYGION,
        meaning="Width of the jaw relative to the cheekbones",
        measure=lambda face: face.distance(*GONION) / face.face_width,
    ),
    Metric(
        name="brow_height",
        title="Brow height",
        group="upper_third",
        unit="ratio",
        formula="(EY - BY) / EW",
        points="brow, p (proxy)",
        landmarks=_BROW_POINTS + _EYES,
        meaning="Height of the brows above the eyes, in eye widths",
        measure=lambda face: (face.eye_level - face.brow_level) / face.eye_width,
    ),
    Metric(
        name="brow_tilt",
        title="Brow tilt",
        group="upper_third",
        unit="deg",
        formula="(rise(107,105) + rise(336,334)) / 2",
        points="brow",
        landmarks=BROW_INNER + BROW_MIDDLE,
        meaning="Upward slope of the brows from their inner end to their middle",
        measure=lambda face: face.rise(BROW_INNER, BROW_MIDDLE),
    ),
    Metric(
        name="bitemporal",
        title="Temple width",
        group="upper_third",
        unit="ratio",
        formula="d(54,284) / ZY",
        points="ft-ft (proxy) / zy-zy",
        landmarks=FRONTOTEMPORALE + ZYGION,
        meaning="Width of the forehead relative to the cheekbones",
        measure=lambda face: face.distance(*FRONTOTEMPORALE) / face.face_width,
    ),
    Metric(
        name="upper_third",
        title="Forehead share (proxy)",
        group="upper_third",
        unit="ratio",
        formula="v(10,9) / v(10,152)",
        points="mesh top - g / mesh top - gn",
        landmarks=(FOREHEAD_TOP, GLABELLA, GNATHION),
        meaning="Share of the visible forehead. Point 10 is the top of the mesh, not the hairline: never compare it "
        "with textbook thirds",
        measure=lambda face: face.drop(FOREHEAD_TOP, GLABELLA) / _height(face.drop(FOREHEAD_TOP, GNATHION)),
    ),
    Metric(
        name="facial_index",
        title="Facial index",
        group="overall",
        unit="percent",
        formula="100 * v(168,152) / ZY",
        points="n-gn / zy-zy",
        landmarks=(NASION, GNATHION, *ZYGION),
        meaning="Height of the face relative to its width",
        measure=lambda face: 100 * face.drop(NASION, GNATHION) / face.face_width,
    ),
    Metric(
        name="thirds_balance",
        title="Middle / lower third",
        group="overall",
        unit="ratio",
        formula="v(9,2) / v(2,152)",
        points="g-sn / sn-gn",
        landmarks=(GLABELLA, SUBNASALE, GNATHION),
        meaning="Balance of the middle and the lower third of the face",
        measure=lambda face: face.drop(GLABELLA, SUBNASALE) / _height(face.drop(SUBNASALE, GNATHION)),
    ),
    Metric(
        name="asymmetry",
        title="Asymmetry",
        group="overall",
        unit="percent of outer-canthal width",
        formula="100 * rms(shape fitted to its mirror image - mirror image) / 2, landmarks 0..467 in 3-D",
        points="all",
        landmarks=_WHOLE_FACE,
        meaning="Distance between the face and its mirror image; lower is better",
        measure=lambda face: 100 * face.asymmetry(),
    ),
    Metric(
        name="distance_to_mean",
        title="Distance to the average face",
        group="overall",
        unit="percent of outer-canthal width",
        formula="100 * rms(symmetrised shape fitted to the mean shape - mean shape), landmarks 0..467 in 3-D",
        points="all",
        landmarks=_WHOLE_FACE,
        meaning="How far the symmetrised shape lies from the mean of the reference faces; lower is better",
        measure=lambda face: 100 * face.distance_to_mean(),
    ),
)
"""Every metric, in the order of ``reference.json``."""
