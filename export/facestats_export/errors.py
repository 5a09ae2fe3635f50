"""The export's one error."""

from __future__ import annotations


class ExportError(RuntimeError):
    """Nothing was published; one clear sentence that says why and what to do."""
