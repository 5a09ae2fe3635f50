"""What only a checkout of the project has."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from facestats.errors import FaceStatsError


def require_benchmarks() -> None:
    """Makes sure that the benchmarks are there.

    Raises:
        FaceStatsError: They are not: no release carries them.
    """
    checkout = Path.cwd()
    if find_spec("benchmarks") is None and (checkout / "benchmarks" / "run.py").is_file():
        # A command's own folder is on the path, the folder it is run in is not.
        sys.path.insert(0, str(checkout))
    if find_spec("benchmarks") is None:
        raise FaceStatsError(
            "the benchmarks are in no release; run this in the folder of the project's checkout, after `make setup`."
        )
