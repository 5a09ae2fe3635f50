"""The settings of scoring itself, the same wherever a photo is scored: in the gateway, in Triton, in bulk.

Read from the environment (``FACESTATS_...``); every default works.

Settings stand in groups, classes whose first docstring line is their heading in ``docs/settings.md``. A group is no
namespace: names stay flat, in the environment and as attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from facestats.deadline import Deadline
from facestats.geometry import GeometryDesign
from facestats.holistic.triton_targets import parse_triton_urls
from facestats.images.settings import PhotoSettings
from facestats.landmarks.engines import LandmarkChoice, LandmarkEngines, choose_graphs, engines_of
from facestats.machine import default_threads
from facestats.places import default_repository
from facestats.scoring.blend import BlendWeights
from facestats.scoring.gathering import Gathering
from facestats.scoring.interval import load_repeatability
from facestats.scoring.receipt import Design
from facestats.settings_group import SettingsGroup


class ModelServerSettings(SettingsGroup):
    """The model server."""

    triton_urls: str = Field(
        "127.0.0.1:8001",
        description="gRPC targets of Triton: `host:port`, several with commas (names are looked up anew at every "
        "check), or `dns:///name:port`.",
    )
    triton_model: str = Field("attractiveness", description="Name of the ensemble PIXELS -> SCORE, RAW, EMBEDDING.")
    triton_proxy: bool = Field(
        False, description="Whether gRPC goes to Triton through the proxy that `https_proxy` or `http_proxy` names."
    )
    triton_check_seconds: float = Field(
        2.0, gt=0, description="Time between two looks at Triton's readiness and model configuration, seconds."
    )
    golden_check_seconds: float = Field(
        60.0, gt=0, description="Time between two golden checks (a known input through the live Triton), seconds."
    )

    @field_validator("triton_urls")
    @classmethod
    def _check_triton_urls(cls, text: str) -> str:
        parse_triton_urls(text)
        return text

    @property
    def triton_targets(self) -> tuple[str, ...]:
        """The addresses of Triton's replicas, or one gRPC target that stands for all."""
        return parse_triton_urls(self.triton_urls)


class ScoreSettings(SettingsGroup):
    """The score."""

    blend_geometric: float = Field(0.6, ge=0, le=1, description="Share of geometry in the score.")
    geometry: GeometryDesign = Field(
        "metrics", description="Geometric design: explainable metrics, the shape model, or the mean of both."
    )
    degrade: Literal["none", "geometric"] = Field(
        "none", description="Without Triton: refuse (`none`) or answer with geometry alone, marked as such."
    )
    repeatability: str = Field(
        "",
        description="File of `facestats repeatability` that says how wide the `interval` of a score is; empty: the one "
        "shipped, which knows the geometric half.",
    )

    @field_validator("repeatability")
    @classmethod
    def _check_repeatability(cls, path: str) -> str:
        try:
            load_repeatability(path)
        except OSError as error:
            raise ValueError(f"'{path}' cannot be read ({error.strerror}).") from None
        return path

    @property
    def blend(self) -> BlendWeights:
        """Shares of the two halves, summing to 1."""
        return BlendWeights(self.blend_geometric, round(1.0 - self.blend_geometric, 9))


class MeasuringSettings(SettingsGroup):
    """Measuring."""

    threads: int = Field(
        default_factory=default_threads,
        ge=1,
        description="Threads that decode and measure faces (default: one a core that the process may use, as far as "
        "its memory allows, at least two).",
    )
    landmarks: LandmarkChoice = Field(
        "auto",
        description="What finds landmarks: OpenVINO with MediaPipe's networks as the export wrote them, or MediaPipe's "
        "own graph; `auto`: OpenVINO where the networks are exported and it is installed.",
    )
    face_networks: Path = Field(
        default_factory=default_repository,
        description="The model repository, or another folder, that `face_detector` and `face_mesh` were exported to "
        "(default: the commands' own).",
    )
    gather_photos: int = Field(
        8,
        ge=1,
        description="While photos wait to be measured, so many go to Triton together; 1: each by itself.",
    )
    gather_seconds: float = Field(
        0.1, ge=0, le=10, description="Longest time a measured photo waits for others that go along, seconds."
    )

    def gathering(self) -> Gathering:
        """What lets measured photos go to Triton together, for one event loop."""
        return Gathering(self.threads, self.gather_photos, self.gather_seconds)

    def landmark_engines(self) -> LandmarkEngines:
        """What finds landmarks here.

        Raises:
            LandmarkEngineError: OpenVINO was asked for and cannot be used, or the networks' folder is damaged.
        """
        return engines_of(choose_graphs(self.landmarks, self.face_networks), self.threads)


class RequestTimeSettings(SettingsGroup):
    """Time limits of a request."""

    request_timeout_seconds: float = Field(
        30.0, gt=0, description="Time a request may take when it names none in `X-Request-Timeout`, seconds."
    )
    max_request_timeout_seconds: float = Field(
        120.0, gt=0, description="Longest time a request may ask for in `X-Request-Timeout`, seconds."
    )

    def deadline(self, asked: float | None = None, is_cancelled: Callable[[], bool] | None = None) -> Deadline:
        """The time budget of a request.

        Args:
            asked: Seconds its caller asked for; ``None`` for the usual time.
            is_cancelled: Whether the caller has taken its request back.
        """
        seconds = self.request_timeout_seconds if asked is None else asked
        return Deadline(min(seconds, self.max_request_timeout_seconds), is_cancelled)


class ScoringSettings(ModelServerSettings, ScoreSettings, PhotoSettings, MeasuringSettings, RequestTimeSettings):
    """How a photo becomes a score, and within which limits."""

    def design(self, landmarks: str) -> Design:
        """How a score is made.

        Args:
            landmarks: Name of the landmark engine in use.
        """
        return Design(
            self.blend,
            self.geometry,
            self.degrade == "geometric",
            self.reduced_decode_side,
            landmarks,
            load_repeatability(self.repeatability),
        )
