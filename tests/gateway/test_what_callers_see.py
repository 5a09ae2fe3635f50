"""A change to what callers see is seen in review: it changes a frozen document.

Meant it? ``make snapshots`` writes them anew; the difference belongs into the commit and a line into CHANGELOG.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.gateway.what_callers_see import ANSWER, OPENAPI, frozen, full_answer, openapi_document

OTHER_PROCESSORS = 0.05
"""Share by which another processor's landmarks may move a number."""

MEANT_IT = "what callers see has changed; if that is meant: make snapshots, and a line in CHANGELOG.md"


def differences(old: Any, new: Any, tolerance: float = 0.0, where: str = "") -> list[str]:
    """Every place at which two documents differ; decimal numbers by more than this share."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [f"{where}/{name} is gone" for name in old if name not in new]
        added = [f"{where}/{name} is new" for name in new if name not in old]
        common = [name for name in old if name in new]
        return gone + added + _inside({name: (old[name], new[name]) for name in common}, tolerance, where)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return _inside(dict(enumerate(zip(old, new, strict=True))), tolerance, where)
    if isinstance(old, float) and isinstance(new, float):
        return [] if new == pytest.approx(old, rel=tolerance, abs=tolerance) else [f"{where}: {old} is {new}"]
    return [] if old == new and type(old) is type(new) else [f"{where}: {old!r} is {new!r}"]


def _inside(pairs: Mapping[Any, tuple[Any, Any]], tolerance: float, where: str) -> list[str]:
    return [found for name, (a, b) in pairs.items() for found in differences(a, b, tolerance, f"{where}/{name}")]


def test_the_openapi_document_is_the_frozen_one() -> None:
    found = differences(frozen(OPENAPI), openapi_document())
    assert found == [], MEANT_IT


async def test_a_full_answer_is_the_frozen_one() -> None:
    found = differences(frozen(ANSWER), await full_answer(), OTHER_PROCESSORS)
    assert found == [], MEANT_IT


def test_what_differs_is_named() -> None:
    old, new = {"a": [1.0, {"b": "x"}], "c": None}, {"a": [1.1, {"b": "y"}], "d": None}
    assert differences(old, new, 0.2) == ["/c is gone", "/d is new", "/a/1/b: 'x' is 'y'"]
    assert differences(old, new)[2:] == ["/a/0: 1.0 is 1.1", "/a/1/b: 'x' is 'y'"]
    assert differences([1], [1.0]) == ["/0: 1 is 1.0"]
    assert differences([1.0], [9.0]) == ["/0: 1.0 is 9.0"]
