"""Fixtures of the geometry tests: the specification's landmark sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facestats.geometry import Capture

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("test_cases.json").read_text("utf-8"))["cases"]


def to_capture(case: dict[str, Any]) -> Capture:
    first = case.get("first", case)
    return Capture(
        landmarks=np.array(case["landmarks"], np.float64),
        width=case["width"],
        height=case["height"],
        first=np.array(first["landmarks"], np.float64),
        photo_width=first["width"],
        photo_height=first["height"],
        mode="fast" if case["mode"] == "one-pass" else "stable",
        frame_to_photo=np.eye(2, 3, dtype=np.float64),
    )


@pytest.fixture(params=CASES, ids=lambda case: f"case-{case['id']}")
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each of the specification's landmark sets with every expected value."""
    found: dict[str, Any] = request.param
    return found


@pytest.fixture
def case_capture(case: dict[str, Any]) -> Capture:
    return to_capture(case)


@pytest.fixture(scope="session")
def frontal() -> Capture:
    """A frontal face with a closed mouth, well inside its photo."""
    return to_capture(CASES[7])


@pytest.fixture(scope="session")
def fast_frontal(frontal: Capture) -> Capture:
    """The same face as pass 1 alone would give it, so that moving its landmarks moves both passes."""
    return replace(frontal, first=frontal.landmarks, photo_width=512, photo_height=512, mode="fast")
