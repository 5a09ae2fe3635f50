"""Geometric score: 25 facial measurements, their scores, groups, total and reliability."""

from facestats.geometry.canonical import GeometryError
from facestats.geometry.capture import Capture, CaptureMode
from facestats.geometry.measure import Geometry, GeometryDesign, Measurement, Pose, measure
from facestats.geometry.metrics import METRICS, Metric
from facestats.geometry.quality import Quality
from facestats.geometry.reference import GROUPS, Group, ParameterSet, Sex

__all__ = [
    "GROUPS",
    "METRICS",
    "Capture",
    "CaptureMode",
    "Geometry",
    "GeometryDesign",
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
