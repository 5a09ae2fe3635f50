"""Geometric score: 25 facial measurements, their scores, groups, total and reliability."""

from gateway.geometry.canonical import GeometryError
from gateway.geometry.measure import Design, Geometry, Measurement, Pose, measure
from gateway.geometry.metrics import METRICS, Metric
from gateway.geometry.quality import Quality
from gateway.geometry.reference import GROUPS, Group, ParameterSet, Sex

__all__ = [
    "GROUPS",
    "METRICS",
    "Design",
    "Geometry",
    "GeometryError",
    "Group",
    "Measurement",
    "Metric",
    "ParameterSet",
    "Pose",
    "Quality",
    "Sex",
    "measure",
]
