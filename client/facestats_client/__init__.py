"""Client of the FaceStats on Triton scoring service; needs neither torch nor mediapipe nor Triton."""

from facestats_client.client import AsyncFaceStatsClient, FaceStatsClient
from facestats_client.errors import (
    AddressError,
    BadParameterError,
    DeadlineExceededError,
    FaceStatsError,
    ImageRefusedError,
    NoFaceError,
    ProblemError,
    ServiceBusyError,
    ServiceUnavailableError,
    ServiceUnreachableError,
    UnauthorizedError,
)
from facestats_client.looksmax import calculate_attractiveness_score
from facestats_client.outcomes import Outcome
from facestats_client.requests import ScoreOptions
from facestats_client.results import Face, Interval, ModelInfo, PersonResult, ScoreResult
from facestats_client.triton import TritonScorer

__all__ = [
    "AddressError",
    "AsyncFaceStatsClient",
    "BadParameterError",
    "DeadlineExceededError",
    "Face",
    "FaceStatsClient",
    "FaceStatsError",
    "ImageRefusedError",
    "Interval",
    "ModelInfo",
    "NoFaceError",
    "Outcome",
    "PersonResult",
    "ProblemError",
    "ScoreOptions",
    "ScoreResult",
    "ServiceBusyError",
    "ServiceUnavailableError",
    "ServiceUnreachableError",
    "TritonScorer",
    "UnauthorizedError",
    "calculate_attractiveness_score",
]
