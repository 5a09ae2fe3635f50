"""The gateway's settings, read from the environment (``FACESTATS_...``); every default works."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from facestats.settings import MeasuringSettings, ScoringSettings
from facestats.settings_group import SettingsGroup
from facestats_gateway.access import ApiKey, parse_api_keys, parse_rate_limit
from facestats_gateway.addresses import check_endpoint, check_origins, check_trusted_proxies, comma_list


class ListeningSettings(SettingsGroup):
    """Listening."""

    host: str = Field("127.0.0.1", description="Address the gateway listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port the gateway listens on.")


class PlaceSettings(SettingsGroup):
    """Where photos are scored."""

    scoring: Literal["gateway", "triton"] = Field(
        "gateway",
        description="Where a photo is decoded, measured and blended: here, or by Triton's model `psl`, which reads its "
        "settings from Triton's own environment.",
    )


class CapacitySettings(MeasuringSettings):
    """Capacity: how much is taken in at a time."""

    max_requests_in_flight: int = Field(
        # Triton batches up to 32 faces; fewer than two batches' worth would leave it waiting.
        default_factory=lambda given: max(64, 16 * given.get("threads", 1)),
        ge=1,
        description="Most photos queued or being scored; more are refused at once (default: 16 a thread, at least 64).",
    )
    max_pixels_in_flight: int = Field(
        500_000_000,
        ge=4096,
        description="Most pixels, by the images' headers, of all photos queued or being scored; one photo always fits.",
    )
    max_upload_bytes_in_flight: int = Field(
        256_000_000, ge=1024, description="Most bytes of all request bodies being received or held, bytes."
    )
    max_batch_images: int = Field(64, ge=1, description="Most images of one batch request.")
    max_person_photos: int = Field(12, ge=2, description="Most photos of one person scored together.")
    max_batch_bytes: int = Field(
        100_000_000, ge=1024, description="Largest body of a request with several images, bytes."
    )
    batch_concurrency: int = Field(
        default_factory=lambda given: 2 * given.get("threads", 1),
        ge=1,
        description="Images of one batch request scored at a time (default: two a thread).",
    )


class CallerSettings(SettingsGroup):
    """Callers."""

    api_keys: str = Field(
        "",
        description="Who may ask for scores: `name:sha256hex` items with commas (`facestats key NAME` makes one); "
        "empty: everybody.",
    )
    rate_limit: str = Field(
        "",
        description="Most photos of one API key (without keys: client address), e.g. `600/minute`; empty: no limit.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Load balancers whose `X-Forwarded-For` names the client (for the rate limit without keys): "
        "addresses or networks with commas, or `*`.",
    )
    cors_origins: str = Field(
        "", description="Origins whose web pages may call the API, with commas, or `*`; empty: none but our own."
    )
    page: Literal["on", "off"] = Field("on", description="Whether `/` is the web page; the API is served either way.")
    page_embedders: str = Field(
        "", description="Origins whose web pages may show ours in a frame, with commas, or `*`; empty: none."
    )

    @field_validator("api_keys")
    @classmethod
    def _check_api_keys(cls, text: str) -> str:
        parse_api_keys(text)
        return text

    @field_validator("rate_limit")
    @classmethod
    def _check_rate_limit(cls, text: str) -> str:
        parse_rate_limit(text)
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _check_trusted_proxies(cls, text: str) -> str:
        check_trusted_proxies(text)
        return text

    @field_validator("cors_origins", "page_embedders")
    @classmethod
    def _check_origins(cls, text: str) -> str:
        check_origins(text)
        return text

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """The API keys that are accepted; none: no key is needed."""
        return parse_api_keys(self.api_keys)

    @property
    def origins(self) -> list[str]:
        """The origins that CORS lets in."""
        return comma_list(self.cors_origins)


class ConnectionSettings(SettingsGroup):
    """Time limits of connections."""

    upload_seconds: float = Field(
        30.0, gt=0, description="Time in which a request's head, and after it its body, must have arrived, seconds."
    )
    answer_seconds: float = Field(
        30.0, gt=0, description="A client that takes nothing of a waiting answer for so long is cut off, seconds."
    )
    shutdown_seconds: float = Field(
        20.0, gt=0, description="After SIGTERM: time in which requests in flight are finished, seconds."
    )


class LogSettings(SettingsGroup):
    """Logs and traces."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Log lines for machines or for people; `auto`: for people on a terminal."
    )
    trace_endpoint: str = Field(
        "",
        description="OTLP/HTTP address OpenTelemetry traces are sent to, e.g. `http://collector:4318/v1/traces`; "
        "empty: no traces.",
    )

    @field_validator("trace_endpoint")
    @classmethod
    def _check_trace_endpoint(cls, text: str) -> str:
        check_endpoint(text)
        return text


class Settings(
    ListeningSettings, PlaceSettings, ScoringSettings, CapacitySettings, CallerSettings, ConnectionSettings, LogSettings
):
    """Every limit and switch of the gateway."""
