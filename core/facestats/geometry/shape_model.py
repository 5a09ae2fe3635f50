"""The optional linear model of the whole shape: cannot be explained metric by metric, off by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from facestats.geometry.canonical import CanonicalFace
from facestats.geometry.reference import SEXES, Distribution, ParameterSet, Sex, read_package_json
from facestats.geometry.scores import logistic


@dataclass(frozen=True)
class ShapeModel:
    """A linear model on x0, y0, x1, y1, ... of the symmetrised canonical shape.

    Attributes:
        bias: Intercept.
        coefficients: [936] float64.
        distribution: Of the model's output over the reference faces.
    """

    bias: float
    coefficients: NDArray[np.float64]
    distribution: Distribution


@cache
def load_shape_models() -> Mapping[Sex, ShapeModel]:
    """Reads the models (set ``group_centred`` of the specification); later calls return the same object."""
    raw = read_package_json("shape_model.json")
    return {
        sex: ShapeModel(
            bias=raw[sex]["bias"],
            coefficients=np.array(raw[sex]["coef"], np.float64),
            distribution=Distribution(raw[sex]["mean"], raw[sex]["sd"]),
        )
        for sex in SEXES
    }


def shape_score(face: CanonicalFace, parameter_set: ParameterSet, slope: float) -> float:
    """Score of the whole shape, 0..100; ``pooled`` is the mean of the female and the male model's scores."""
    models = load_shape_models()
    chosen = list(models.values()) if parameter_set == "pooled" else [models[parameter_set]]
    features = face.symmetric_shape[:, :2].ravel()
    scores = [
        logistic(model.bias + float(features @ model.coefficients), model.distribution, slope) for model in chosen
    ]
    return float(np.mean(scores))
