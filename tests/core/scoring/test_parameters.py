"""A caller's choices as text."""

from __future__ import annotations

import pytest

from facestats.faces.options import ScoreOptions
from facestats.problems import Problem
from facestats.scoring.parameters import parse_options


def test_nothing_said_is_the_default() -> None:
    assert parse_options() == parse_options(crop="", faces="", sex="", capture="", include="") == ScoreOptions()


def test_every_choice_is_read() -> None:
    assert parse_options(
        crop="full", faces="all", sex="female", capture="fast", include="overlay, landmarks,"
    ) == ScoreOptions("full", True, "female", "fast", frozenset({"overlay", "landmarks"}))


@pytest.mark.parametrize(
    "said", [{"crop": "Aligned"}, {"faces": "2"}, {"sex": "pooled"}, {"capture": "\0"}, {"include": "everything"}]
)
def test_another_word_is_a_bad_parameter_that_names_what_is_allowed(said: dict[str, str]) -> None:
    with pytest.raises(Problem) as problem:
        parse_options(**said)
    assert problem.value.code == "bad-parameter"
    assert f"`{next(iter(said))}`" in problem.value.detail
    assert " is none of " in problem.value.detail
