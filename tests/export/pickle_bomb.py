"""A pickle that runs code when it is loaded: here it leaves a file, in the wild it would do worse."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Bomb:
    """Loading it makes a folder at ``marker``."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


@contextmanager
def assert_harmless(marker: Path) -> Iterator[None]:
    """Nothing goes off inside the block; before, it is shown that the bomb works."""
    pickle.loads(pickle.dumps(Bomb(marker)))
    marker.rmdir()
    yield
    assert not marker.exists(), "the file was executed"
