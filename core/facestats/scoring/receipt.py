"""The receipt of a score: one hash over everything that decides it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache

from facestats.geometry import GeometryDesign
from facestats.geometry.reference import data_sha256
from facestats.holistic.provenance import UNKNOWN, Provenance
from facestats.images.alignment import ALIGNMENT_ID
from facestats.scoring.blend import BlendWeights
from facestats.scoring.interval import Repeatability, load_repeatability

_FROM_THE_EXPORT = ("clip", "regressor", "graphs", "precision", "preprocessing", "calibration_sha256")
"""The precision, because one graph may be computed in several."""


@dataclass(frozen=True)
class Design:
    """How a score is made, by the operator's choice.

    Attributes:
        blend: Shares of the halves.
        geometry: Which geometric score.
        degrade: Whether geometry answers alone while the models are away.
        reduced_decode_side: Side down to which JPEGs may be decoded at a smaller scale, pixels; 0: never.
        landmarks: What finds landmarks, ``openvino`` or ``mediapipe``: alike to a tenth of a point, not to the bit.
        repeatability: How well the halves repeat; it says how sure a score is and is no part of its receipt.
    """

    blend: BlendWeights
    geometry: GeometryDesign
    degrade: bool
    reduced_decode_side: int
    landmarks: str
    repeatability: Repeatability = field(default_factory=load_repeatability)


def receipt(provenance: Provenance, design: Design) -> str:
    """One hash over weights, graphs, precision, calibration, pixels, landmarks, geometry and its data, and the blend.

    Equal receipts mean comparable scores. ``unknown`` when the graphs are unknown.

    Args:
        provenance: What computes the holistic half.
        design: How the score is made.
    """
    if "graphs" not in provenance.parameters:
        return UNKNOWN
    parts = {name: provenance.get(name) for name in _FROM_THE_EXPORT}
    parts |= {
        "alignment": ALIGNMENT_ID,
        "decoding": str(design.reduced_decode_side),
        "landmarks": design.landmarks,
        "geometry": design.geometry,
        "geometry_data": _geometry_data(),
        "blend": f"{design.blend.geometric}:{design.blend.holistic}",
    }
    return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def _geometry_data() -> str:
    return data_sha256()
