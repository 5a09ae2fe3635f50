"""The base of every error that is a message to a person."""

from __future__ import annotations


class FaceStatsError(RuntimeError):
    """Something cannot be done; one clear sentence that says why and what to do. The command line prints it as it is.

    What a caller of the service did wrong is a ``facestats.problems.Problem`` instead.
    """
