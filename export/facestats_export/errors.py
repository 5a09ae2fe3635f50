"""The export's one error."""

from __future__ import annotations

from facestats.errors import FaceStatsError


class ExportError(FaceStatsError):
    """Nothing was published; one clear sentence that says why and what to do."""
