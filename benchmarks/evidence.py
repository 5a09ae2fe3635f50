"""What a proof measured, as a small file that can be kept."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Check:
    """One thing that must hold.

    Attributes:
        name: What was looked at.
        figure: What was seen, one line.
        holds: Whether it is as it must be.
    """

    name: str
    figure: str
    holds: bool


def add_output_option(parser: argparse.ArgumentParser) -> None:
    """Adds ``--output``."""
    parser.add_argument("--output", type=Path, help="File for the figures, JSON.")


def conclude(command: str, checks: list[Check], figures: Mapping[str, object], output: Path | None) -> int:
    """Prints every check and keeps the figures.

    Args:
        command: What was run.
        checks: What must hold.
        figures: The numbers behind them.
        output: Where to keep them; nowhere if absent.

    Returns:
        The exit code: 1 when a check does not hold.
    """
    for check in checks:
        print(f"{'ok  ' if check.holds else 'FAIL'}  {check.name}: {check.figure}", flush=True)
    holds = all(check.holds for check in checks)
    if output is not None:
        document = {
            "command": command,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "holds": holds,
            "checks": {check.name: check.figure for check in checks},
            "figures": dict(figures),
            "machine": {
                "cores": os.cpu_count(),
                "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
                "python": platform.python_version(),
            },
        }
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(document, indent=2) + "\n")
    return int(not holds)
