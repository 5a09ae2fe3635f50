"""Everything a running gateway holds, built at start and closed at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

from facestats.faces.measurer import FaceMeasurer
from facestats.holistic.triton import TritonClient
from facestats.holistic.watch import TritonMonitor
from facestats.models.repository import PHOTO_MODEL
from facestats.scoring.admission import Admission
from facestats.scoring.documents import model_document
from facestats.scoring.forwarding import ForwardingScorer
from facestats.scoring.intake import Intake
from facestats.scoring.pipeline import PhotoScorer, Scorer
from facestats.scoring.receipt import Design
from facestats.scoring.schemas import ModelDocument, ReadinessDocument
from facestats_gateway.access import AccessControl, parse_rate_limit
from facestats_gateway.batch import BatchScorer
from facestats_gateway.metrics import Metrics
from facestats_gateway.settings import Settings
from facestats_gateway.tracing import Tracing


@dataclass
class Service:
    """The parts the routes use.

    Attributes:
        settings: What was configured.
        design: How a score is made.
        measurer: Threads that decode and measure.
        monitor: What is known about Triton.
        scorer: What photos are handed to.
        forwarding: The same, where photos are scored in Triton.
        batch: The pipeline for many photos of one request.
        admission: Permits for photos in flight.
        access: Who may call, and how often.
        metrics: What Prometheus sees.
    """

    settings: Settings
    design: Design
    measurer: FaceMeasurer
    monitor: TritonMonitor
    scorer: PhotoScorer
    forwarding: ForwardingScorer | None
    batch: BatchScorer
    admission: Admission
    access: AccessControl
    metrics: Metrics

    def model(self) -> ModelDocument:
        """What scores, as far as Triton says; with the receipt that answers have where they come from ``psl``."""
        document = model_document(self.monitor.state.provenance, self.design)
        told = self.forwarding.receipt if self.forwarding is not None else ""
        return document.model_copy(update={"receipt": told}) if told else document

    def readiness(self) -> ReadinessDocument:
        """Whether requests should be sent here."""
        state = self.monitor.state
        if state.ready:
            return ReadinessDocument(ready=True, reason="", triton=True, golden_check=state.golden_ok)
        if self.design.degrade and state.golden_ok is not False:
            reason = f"Degraded, geometry alone: {state.reason}"
            return ReadinessDocument(ready=True, reason=reason, triton=False, golden_check=state.golden_ok)
        return ReadinessDocument(ready=False, reason=state.reason, triton=False, golden_check=state.golden_ok)


@contextlib.asynccontextmanager
async def run_service(settings: Settings, metrics: Metrics, tracing: Tracing) -> AsyncIterator[Service]:
    """Builds the service inside the running event loop, watches Triton, and closes everything at the end.

    Each part is closed whatever happens: when a later one cannot be built, and when closing another one fails.
    """
    async with contextlib.AsyncExitStack() as parts:
        parts.push_async_callback(asyncio.to_thread, tracing.close)
        engines = settings.landmark_engines()
        design = settings.design(engines.name)
        in_triton = settings.scoring == "triton"
        client = TritonClient(
            settings.triton_targets,
            settings.triton_model,
            proxy=settings.triton_proxy,
            also=(PHOTO_MODEL,) if in_triton else (),
        )
        parts.push_async_callback(client.close)
        limits = settings.image_limits
        measurer = FaceMeasurer(settings.threads, limits, settings.max_faces, settings.geometry, engines)
        parts.push_async_callback(asyncio.to_thread, measurer.close)
        monitor = TritonMonitor(
            client,
            check_seconds=settings.triton_check_seconds,
            golden_seconds=settings.golden_check_seconds,
            listener=metrics.triton_state,
        )
        admission = Admission(settings.max_requests_in_flight, settings.max_pixels_in_flight)
        metrics.watch_admission(admission)
        scorer: PhotoScorer = Scorer(
            measurer, client, monitor, design, admission, metrics, tracing.tracer, settings.gathering()
        )
        forwarding: ForwardingScorer | None = None
        if in_triton:
            intake = Intake(measurer.open, admission, metrics)
            fallback = scorer if design.degrade else None
            forwarding = ForwardingScorer(client, monitor, intake, design, fallback, metrics, tracing.tracer)
            scorer = forwarding
        batch = BatchScorer(scorer, settings.batch_concurrency, metrics)
        access = AccessControl(settings.keys, parse_rate_limit(settings.rate_limit))
        if not in_triton or design.degrade:
            await asyncio.to_thread(measurer.warm_up)
        await monitor.check()
        await parts.enter_async_context(_running(monitor.run(), "triton-monitor"))
        yield Service(settings, design, measurer, monitor, scorer, forwarding, batch, admission, access, metrics)


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Runs something for ever beside the block; what ended it before is raised at the block's end."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
