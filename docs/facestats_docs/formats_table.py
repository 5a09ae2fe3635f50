"""The documentation's page of image formats, made from the cases that the tests hold the decoder to.

``python -m facestats_docs.formats_table docs/formats.md``
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path

from facestats.problems import PROBLEM_TYPES
from tests.core.images.formats.accepted import accepted_cases
from tests.core.images.formats.case import Case
from tests.core.images.formats.refused import refused_cases

_INTRODUCTION = """# Image files: what is scored, what is refused

This page is generated (`make docs`) from `tests/core/images/formats`: every line is a test in which such a file is
made and decoded. The gateway, bulk scoring and Triton's `image_decoder` decode with the same code.

- The content decides; a file's name and a request's `Content-Type` are not asked.
- What is not pixels never refuses a photo: metadata is taken out before the file is decoded, and metadata that cannot
  be read means none. Colour profiles are ignored, as CLIP's own image processor ignores them.
- Turned photos are turned upright by EXIF's orientation, or by the container's own (HEIC, AVIF), which then counts
  alone; never by XMP.
- Transparency is laid over white. Samples of more than 8 bits are scaled by the depth that the file declares; of
  32-bit samples, which few files fill, by the smallest of the usual depths that holds 95 % of them.
- Of several pictures in a file the first at full resolution counts; an animation is refused unless
  `FACESTATS_MAX_FRAMES` allows it, and then its first frame counts.
- A face must fill about a fifth of the photo's height to be found for certain; below that the answer is `no-face`.
"""

_HEADINGS = "\n## {}\n\n| file | answer |\n|---|---|\n"


def formats_page() -> str:
    """The whole page, Markdown."""
    sections: dict[str, list[Case]] = {}
    for case in chain(accepted_cases(), refused_cases()):
        sections.setdefault(case.format, []).append(case)
    return _INTRODUCTION + "".join(
        _HEADINGS.format(format) + "".join(_rows(cases)) for format, cases in sections.items()
    )


def _rows(cases: Iterable[Case]) -> Iterator[str]:
    """A row for each case; neighbours that differ in their last word share one."""
    for (problem, what), alike in groupby(cases, lambda case: (case.problem, case.what.rpartition(" ")[0])):
        words = ", ".join(case.what.rpartition(" ")[2] for case in alike)
        yield f"| {' '.join(filter(None, (what, words)))} | {_answer(problem)} |\n"


def _answer(problem: str | None) -> str:
    return "scored" if problem is None else f"{PROBLEM_TYPES[problem].status} `{problem}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(formats_page(), encoding="utf-8")
