"""The documentation's snippets, executed as printed against the running service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack import Stack

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("../README.md", "api.md", "client.md", "operations.md", "triton-direct.md")
TIMEOUT = 120
"""Time a snippet may take on a busy machine, seconds."""


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page.

    Attributes:
        page: File name of the page.
        line: Where the block starts.
        language: ``bash`` or ``python``. Blocks of other languages are not run (``json``: samples; ``sh``: commands
            that set things up or serve), but for those of ``sh`` that call the service with curl.
        code: Its text.
    """

    page: str
    line: int
    language: str
    code: str

    def run(self, stack: Stack) -> str:
        """Executes the snippet with the running service in place of the default addresses; returns what it printed."""
        code = self.code
        for default, actual in (
            ("http://127.0.0.1:8080", stack.url),
            ("127.0.0.1:8000", stack.http),
            ("127.0.0.1:8001", stack.grpc),
        ):
            code = code.replace(default, actual)
        interpreter = [sys.executable, "-"] if self.language == "python" else ["bash", "-euo", "pipefail"]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        result = subprocess.run(
            interpreter,
            input=code,
            capture_output=True,
            text=True,
            cwd=DOCS.parent,
            env=os.environ | {"PATH": path},
            timeout=TIMEOUT,
            check=False,
        )
        assert result.returncode == 0, f"{self.page}:{self.line}\n{result.stdout}\n{result.stderr}"
        return result.stdout


def snippets(page: str) -> list[Snippet]:
    """The runnable blocks of a page."""
    text = (DOCS / page).read_text("utf-8")
    return [
        Snippet(page, text.count("\n", 0, match.start()) + 1, match["language"], match["code"])
        for match in re.finditer(
            r"^```(?P<language>bash|python|sh)\n(?P<code>.*?)^```$", text, re.MULTILINE | re.DOTALL
        )
        if match["language"] != "sh" or match["code"].startswith("curl ")
    ]


def everywhere() -> list[Snippet]:
    """The runnable blocks of all pages."""
    return [snippet for page in PAGES for snippet in snippets(page)]


@pytest.mark.parametrize("snippet", everywhere(), ids=lambda snippet: f"{snippet.page}:{snippet.line}")
def test_snippet_runs_as_printed(snippet: Snippet, stack: Stack) -> None:
    if snippet.language == "bash" and shutil.which("curl") is None:
        pytest.skip("needs curl")
    assert snippet.run(stack).strip(), "a snippet shows something"


@pytest.mark.parametrize("whole", [True, False])
def test_all_ways_to_triton_print_the_same_score(stack: Stack, whole: bool) -> None:
    page = (DOCS / "triton-direct.md").read_text()
    half_begins = page.count("\n", 0, page.index("## The holistic half alone"))
    printed = {
        snippet.line: snippet.run(stack).strip()
        for snippet in snippets("triton-direct.md")
        if "/config" not in snippet.code
        and "perf_analyzer" not in snippet.code
        and (snippet.line < half_begins) is whole
    }
    assert len(printed) == 4
    scores = {line: float(text) for line, text in printed.items()}
    assert 0 < min(scores.values()) <= max(scores.values()) < 100
    assert max(scores.values()) - min(scores.values()) < 0.01, scores


def test_sample_answer_has_the_real_answer_s_fields(stack: Stack) -> None:
    """The sample may leave out what is only sometimes there, but invents nothing."""
    sample = json.loads(re.search(r"^```json\n(.*?)^```$", (DOCS / "api.md").read_text(), re.M | re.S)[1])  # type: ignore[index]
    real = json.loads(snippets("api.md")[0].run(stack))
    assert_fields_exist(sample, real, "answer")


def assert_fields_exist(sample: object, real: object, where: str) -> None:
    """Every field of ``sample`` is in ``real``, all the way down."""
    if isinstance(sample, dict):
        assert isinstance(real, dict), where
        assert set(sample) <= set(real), f"{where}: {set(sample) - set(real)}"
        for name, value in sample.items():
            assert_fields_exist(value, real[name], f"{where}.{name}")
    elif isinstance(sample, list) and sample:
        assert isinstance(real, list), where
        assert_fields_exist(sample[0], real[0], f"{where}[0]")
