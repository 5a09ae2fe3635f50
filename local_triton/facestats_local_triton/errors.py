"""The launcher's one error."""

from __future__ import annotations

from facestats.errors import FaceStatsError


class TritonError(FaceStatsError):
    """The server cannot be started or did not become ready; one clear sentence with a next step."""
