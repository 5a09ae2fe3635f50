"""What to export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facestats.places import default_repository, repository_templates, weights_folder
from facestats_export.engines import AUTO


@dataclass(frozen=True)
class ExportOptions:
    """What to export; the fields are the command's options."""

    weights: str = "auto"
    regressor: str = "auto"
    output: Path = field(default_factory=default_repository)
    source: Path = field(default_factory=repository_templates)
    weights_folder: Path = field(default_factory=weights_folder)
    calibration: Path | None = None
    uncalibrated: bool = False
    attributes: Mapping[str, Path] = field(default_factory=dict)
    trust_pickle: bool = False
    parity_images: Path | None = None
    compare_triton: bool = True
    precision: str = AUTO
    target: str = AUTO
    force: bool = False
