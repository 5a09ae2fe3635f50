"""What only a checkout of the project has."""

from __future__ import annotations

from importlib.util import find_spec

from facestats.errors import FaceStatsError


def require_benchmarks() -> None:
    """Makes sure that the benchmarks are there.

    Raises:
        FaceStatsError: They are not: no release carries them.
    """
    if find_spec("benchmarks") is None:
        raise FaceStatsError(
            "the benchmarks are in no release; run this in the folder of the project's checkout, after `make setup`."
        )
