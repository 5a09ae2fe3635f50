"""A process's log is JSON lines, whatever libraries have to say, and damaged photos are no news."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import logging, sys, warnings
from pathlib import Path

import structlog

from benchmarks.mutations import mutants, seed_images
from facestats.images.imaging import decode_image
from facestats.images.limits import ImageError
from facestats.logging import configure_logging

configure_logging("info", "json")
tiffs = [data for data in seed_images(Path(sys.argv[1])) if data[:2] in (b"II", b"MM")]
assert tiffs
for _, data in zip(range(1500), mutants(tiffs, 0)):
    try:
        decode_image(data)
    except ImageError:
        pass
logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded")
warnings.warn("something is deprecated")
logging.getLogger("some.library").info("quiet")
logging.getLogger("some.library").warning("loud")
structlog.get_logger("facestats.http").info("request", status=200)
"""


def test_every_line_is_json_and_a_damaged_photo_leaves_none(root: Path, example_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(example_path)], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["py.warnings", "some.library", "facestats.http"]
    assert "something is deprecated" in lines[0]["event"]
    assert (lines[2]["event"], lines[2]["status"], lines[2]["level"]) == ("request", 200, "info")
    assert all("timestamp" in line for line in lines)
