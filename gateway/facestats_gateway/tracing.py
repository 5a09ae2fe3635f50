"""OpenTelemetry traces: from the HTTP request, through the stages of a photo, into Triton; off unless configured."""

from __future__ import annotations

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace


class Tracing:
    """The tracer of one gateway.

    Nothing of a photo is ever put into a span: only routes, stages and numbers of faces.

    Args:
        endpoint: OTLP/HTTP address; empty: no traces, at no cost.

    Raises:
        RuntimeError: Traces are wanted and the extra ``otel`` is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        self._provider: trace.TracerProvider = trace.NoOpTracerProvider()
        if endpoint:
            self._provider = _exporting_provider(endpoint)
        self.enabled = bool(endpoint)
        self.tracer = self._provider.get_tracer("facestats")

    @property
    def telemetry(self) -> TelemetryConfig:
        """FastAPI's own instrumentation: request spans only, never bodies, arguments or exceptions' messages."""
        return TelemetryConfig(
            tracer_provider=self._provider,
            tracing=self.enabled,
            metrics=False,
            logs=False,
            operation_spans=False,
            auto_configure=False,
        )

    def close(self) -> None:
        """Sends the last spans."""
        shutdown = getattr(self._provider, "shutdown", None)
        if shutdown is not None:
            shutdown()


def _exporting_provider(endpoint: str) -> trace.TracerProvider:
    try:
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise RuntimeError("traces need the extra: pip install 'facestats-triton[otel]'") from error
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "facestats-gateway"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
