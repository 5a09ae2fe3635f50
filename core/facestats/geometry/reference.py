"""The constants of the geometric score, read from the packaged ``reference.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Sex = Literal["female", "male"]
ParameterSet = Literal["female", "male", "pooled"]
Group = Literal["eyes", "midface", "lower_third", "upper_third", "overall"]

SEXES: tuple[Sex, ...] = ("female", "male")
PARAMETER_SETS: tuple[ParameterSet, ...] = (*SEXES, "pooled")
GROUPS: tuple[Group, ...] = ("eyes", "midface", "lower_third", "upper_third", "overall")
PERCENTILES = (5, 25, 50, 75, 95)

_GROUP_KEYS = {"lower_third": "lowerThird", "upper_third": "upperThird"}
"""Groups whose name in the file differs."""


@dataclass(frozen=True)
class Distribution:
    """Mean and standard deviation of a weighted mean of metric scores over the reference faces, points."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Parameters:
    """What one parameter set (female, male or pooled) says of each metric, in the order of ``Reference.names``.

    Attributes:
        centre: [M] float64, values that score 100, in the metric's unit.
        half: [M] float64, distances from the centre at which the score is 50.
        weight: [M] float64, shares of the total; they sum to 1.
        quantiles: [M, 5] float64, corrected values at ``PERCENTILES`` of the reference faces.
        sd: [M] float64, robust standard deviation of the corrected values.
        total: Distribution of the total.
        groups: Distribution of each group's weighted mean.
    """

    centre: NDArray[np.float64]
    half: NDArray[np.float64]
    weight: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    sd: NDArray[np.float64]
    total: Distribution
    groups: Mapping[Group, Distribution]


@dataclass(frozen=True)
class Limits:
    """Bounds of the pose and mouth that the correction to a frontal, closed-mouth face was fitted on.

    Attributes:
        yaw: Degrees.
        pitch: Degrees.
        mouth: Mouth opening, ratio.
    """

    yaw: float
    pitch: float
    mouth: float


@dataclass(frozen=True)
class Reference:
    """Every constant of the geometric score.

    Attributes:
        names: [M] metric names, the order of all per-metric arrays.
        basis: [34] intp, expression-stable landmarks that fix the canonical frame.
        mirror: [478] intp, the landmark on the other side of the face.
        mean_shape: [478, 3] float64, symmetric mean of the reference faces; outer-canthal width 1.
        correction: [M, 4] float64, coefficients of yaw^2, pitch, pitch^2 and mouth opening.
        one_sided: [M] bool, metrics for which lower is simply better.
        limits: Bounds of the correction.
        quality: Constants of the reliability factors.
        logistic_slope: Steepness of the map from standard deviations to 0..100.
        parameters: The three parameter sets.
    """

    names: tuple[str, ...]
    basis: NDArray[np.intp]
    mirror: NDArray[np.intp]
    mean_shape: NDArray[np.float64]
    correction: NDArray[np.float64]
    one_sided: NDArray[np.bool_]
    limits: Limits
    quality: Mapping[str, float]
    logistic_slope: float
    parameters: Mapping[ParameterSet, Parameters]


@cache
def load_reference() -> Reference:
    """Reads the constants; later calls return the same object."""
    raw = read_package_json("reference.json")
    metrics = list(raw["metrics"].values())
    return Reference(
        names=tuple(raw["metrics"]),
        basis=np.array(raw["basis"], np.intp),
        mirror=np.array(raw["mirror"], np.intp),
        mean_shape=np.array(raw["mean_shape"], np.float64),
        correction=np.array([metric["correction"] for metric in metrics], np.float64),
        one_sided=np.array([metric["one_sided"] for metric in metrics], np.bool_),
        limits=Limits(**raw["limits"]),
        quality=raw["quality"],
        logistic_slope=raw["spread"],
        parameters={name: _parameters(raw, metrics, name) for name in PARAMETER_SETS},
    )


def data_sha256() -> str:
    """One hash over every data file of the geometry, by name."""
    digest = hashlib.sha256()
    for file in sorted(files("facestats.geometry").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return "sha256:" + digest.hexdigest()


def read_package_json(name: str) -> Any:
    """Parses a JSON file that ships beside this module."""
    return json.loads(files("facestats.geometry").joinpath(name).read_text("utf-8"))


def _parameters(raw: Any, metrics: list[Any], name: ParameterSet) -> Parameters:
    def column(read: Any) -> NDArray[np.float64]:
        return np.array([read(metric) for metric in metrics], np.float64)

    groups = {group: raw["groups"][_GROUP_KEYS.get(group, group)][name] for group in GROUPS}
    return Parameters(
        centre=column(lambda metric: metric["curve"][name]["centre"]),
        half=column(lambda metric: metric["curve"][name]["half"]),
        weight=column(lambda metric: metric["weight"][name]),
        quantiles=column(lambda metric: [metric["reference"][name][f"p{rank}"] for rank in PERCENTILES]),
        sd=column(lambda metric: metric["reference"][name]["sd"]),
        total=Distribution(raw["total"][name]["mean"], raw["total"][name]["sd"]),
        groups={group: Distribution(values["mean"], values["sd"]) for group, values in groups.items()},
    )
