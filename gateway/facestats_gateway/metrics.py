"""What Prometheus sees of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from facestats.holistic.backend import HolisticState
from facestats.scoring.admission import Admission

METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """All metrics of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._requests = Counter(
            "facestats_requests", "HTTP requests answered.", ["route", "method", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "facestats_request_seconds",
            "Time from a request's first byte to its last answered byte.",
            ["route"],
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "facestats_stage_seconds",
            "Time of one photo by stage.",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge("facestats_in_flight_requests", "Photos queued or being scored.", registry=registry)
        self._megapixels = Gauge(
            "facestats_in_flight_megapixels", "Megapixels of the photos queued or being scored.", registry=registry
        )
        self._rejected = Counter(
            "facestats_rejected", "Photos and requests answered with a problem.", ["reason"], registry=registry
        )
        self._abandoned = Counter(
            "facestats_abandoned", "Photos dropped because nobody waits any more.", ["reason"], registry=registry
        )
        self._faces = Counter(
            "facestats_faces",
            "Photos by the number of faces scored (`10+`: ten or more).",
            ["found"],
            registry=registry,
        )
        self._triton_up = Gauge("facestats_triton_up", "Whether Triton and its models are ready.", registry=registry)
        self._golden_ok = Gauge(
            "facestats_golden_check_ok",
            "Whether the live models answer the golden input as the export did; NaN without a case.",
            registry=registry,
        )
        self._golden_drift = Gauge(
            "facestats_golden_check_score_drift",
            "Score difference of the last golden check, points.",
            registry=registry,
        )
        self._untrained = Gauge(
            "facestats_weights_untrained", "Whether random weights are served: scores mean nothing.", registry=registry
        )
        build = Gauge("facestats_build_info", "Always 1; the version is its label.", ["version"], registry=registry)
        build.labels(version("facestats-triton")).set(1)
        self._golden_ok.set(float("nan"))
        self._golden_drift.set(float("nan"))

    def watch_admission(self, admission: Admission) -> None:
        """Reads the in-flight gauges from here."""
        self._in_flight.set_function(lambda: admission.requests)
        self._megapixels.set_function(lambda: admission.pixels / 1e6)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts an answered request.

        Args:
            route: The route's template, never the raw path: the number of label values must stay bounded.
            method: HTTP method.
            status: HTTP status.
            seconds: Time it took.
        """
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def problem(self, code: str) -> None:
        """Counts a problem that was answered, by its code."""
        self._rejected.labels(code).inc()

    def scored(self, seconds: Mapping[str, float], faces: int) -> None:
        """Counts a scored photo with its time by stage."""
        for stage, value in seconds.items():
            self._stage_seconds.labels(stage).observe(value)
        self._faces.labels(str(faces) if faces < 10 else "10+").inc()

    def abandoned(self, reason: str) -> None:
        """Counts a photo that was dropped: ``deadline`` or ``disconnect``."""
        self._abandoned.labels(reason).inc()

    def triton_state(self, state: HolisticState) -> None:
        """Takes the outcome of a look at Triton."""
        self._triton_up.set(state.ready)
        self._golden_ok.set(float("nan") if state.golden_ok is None else state.golden_ok)
        self._golden_drift.set(state.golden_drift)
        self._untrained.set(state.provenance.weights == "untrained")

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format (``METRICS_MEDIA_TYPE``)."""
        return generate_latest(self._registry)
