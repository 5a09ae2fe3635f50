"""The one error of bulk scoring."""

from __future__ import annotations

from facestats.errors import FaceStatsError


class BulkError(FaceStatsError):
    """The run cannot start or go on; one sentence that says why and what to do. What is written stays valid."""
