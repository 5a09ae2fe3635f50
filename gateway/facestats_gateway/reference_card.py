"""The reference faces behind the geometry, as one document: what the web page draws a measurement against."""

from __future__ import annotations

import math

from pydantic import Field

from facestats.faces.measured_lines import DRAWINGS
from facestats.geometry import METRICS
from facestats.geometry.reference import (
    GROUPS,
    PARAMETER_SETS,
    PERCENTILES,
    ParameterSet,
    Reference,
    load_reference,
    read_package_json,
)
from facestats.scoring.schemas import Document

_NORMAL_QUANTILES = (-1.6449, -0.6745, 0.0, 0.6745, 1.6449)
"""Standard normal quantiles at ``PERCENTILES``."""


class PercentilesDocument(Document):
    """Values of the reference faces at percentiles 5, 25, 50, 75 and 95."""

    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


class CurveDocument(Document):
    """The score curve: 100 at ``centre``, 50 at ``centre`` ± ``half``, in the metric's unit."""

    centre: float
    half: float


class LineDocument(Document):
    """A line of a measurement; each end is the mean of these landmarks."""

    start: list[int]
    end: list[int]


class MetricReferenceDocument(Document):
    """A metric and the distribution it is compared with."""

    name: str
    title: str
    group: str
    unit: str
    meaning: str
    formula: str
    one_sided: bool = Field(description="Lower is simply better, down to `centre`.")
    percentiles: dict[ParameterSet, PercentilesDocument]
    curve: dict[ParameterSet, CurveDocument]
    weight: dict[ParameterSet, float] = Field(description="Share of the geometric total.")
    lines: list[LineDocument] = Field(description="What to draw on a face to show what is measured.")


class ReferenceDocument(Document):
    """The geometry's reference: 25 metrics, and where scores lie."""

    metrics: list[MetricReferenceDocument]
    group_scores: PercentilesDocument = Field(
        description="Group scores of the reference faces, from their mean and sd (normal approximation)."
    )
    scores: dict[ParameterSet, PercentilesDocument] = Field(description="Geometric scores of the reference faces.")
    faces: dict[ParameterSet, int] = Field(description="Number of reference faces.")
    groups: list[str]


def reference_document() -> ReferenceDocument:
    """Builds the document from the packaged constants."""
    reference = load_reference()
    raw = read_package_json("reference.json")
    return ReferenceDocument(
        metrics=[
            MetricReferenceDocument(
                name=metric.name,
                title=metric.title,
                group=metric.group,
                unit=metric.unit,
                meaning=metric.meaning,
                formula=metric.formula,
                one_sided=bool(reference.one_sided[index]),
                percentiles={
                    name: _percentiles([float(value) for value in reference.parameters[name].quantiles[index]])
                    for name in PARAMETER_SETS
                },
                curve={name: _curve(reference, name, index) for name in PARAMETER_SETS},
                weight={name: float(reference.parameters[name].weight[index]) for name in PARAMETER_SETS},
                lines=[
                    LineDocument(start=list(line.start), end=list(line.end)) for line in DRAWINGS[metric.name].lines
                ],
            )
            for index, metric in enumerate(METRICS)
        ],
        group_scores=_percentiles([100.0 / (1.0 + math.exp(-reference.logistic_slope * z)) for z in _NORMAL_QUANTILES]),
        scores={name: PercentilesDocument(**raw["psl_percentiles"][name]) for name in PARAMETER_SETS},
        faces={name: raw["n_reference"][name] for name in PARAMETER_SETS},
        groups=list(GROUPS),
    )


def _percentiles(values: list[float]) -> PercentilesDocument:
    return PercentilesDocument(**{f"p{rank}": value for rank, value in zip(PERCENTILES, values, strict=True)})


def _curve(reference: Reference, name: ParameterSet, index: int) -> CurveDocument:
    parameters = reference.parameters[name]
    return CurveDocument(centre=float(parameters.centre[index]), half=float(parameters.half[index]))
