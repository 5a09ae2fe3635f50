"""The page's plain words cover what the service can answer to a photo."""

from __future__ import annotations

import re
from pathlib import Path

from facestats.problems import PROBLEM_TYPES

NOT_OF_A_PHOTO = {
    "bad-parameter",
    "bad-request",
    "client-closed-request",
    "method-not-allowed",
    "not-found",
    "too-many-parts",
    "unsupported-media-type",
}
"""What only a wrongly built request gets; the page shows the service's own words then."""


def test_every_problem_of_a_photo_has_words(root: Path) -> None:
    text = (root / "gateway/facestats_gateway/web/words.js").read_text("utf-8")
    table = text.partition("const PROBLEMS = {")[2].partition("};")[0]
    codes = set(re.findall(r'^  "([a-z-]+)": \["[^"]{10,}", "[^"]{10,}"\],$', table, re.MULTILINE))
    assert codes == set(PROBLEM_TYPES) - NOT_OF_A_PHOTO | {"unreachable"}
