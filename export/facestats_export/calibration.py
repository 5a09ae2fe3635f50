"""Calibration: the regressor's raw output to 0..100, as a percentile of a reference distribution.

Percentiles follow FaceStats, which reports a face's place among its reference faces: the raw output itself is no score
(0.86 to 1.58 over those faces).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats_export.errors import ExportError

QUANTILES = 101
"""Stored quantiles: 0 %, 1 %, ... 100 %."""


@dataclass(frozen=True)
class Calibration:
    """A reference distribution of one regressor's raw output.

    Attributes:
        name: Its id.
        regressor_sha256: The checkpoint it belongs to (hex); empty when it was made in the same run as the weights.
        count: Number of reference faces.
        source: Where they came from.
        quantiles: [101] float64, non-decreasing, the regressor's own unit.
    """

    name: str
    regressor_sha256: str
    count: int
    source: str
    quantiles: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.quantiles.shape != (QUANTILES,) or not np.isfinite(self.quantiles).all():
            raise ExportError(f"the calibration '{self.name}' must hold {QUANTILES} finite quantiles.")
        if (np.diff(self.quantiles) < 0).any() or np.float32(self.quantiles[0]) == np.float32(self.quantiles[-1]):
            raise ExportError(f"the quantiles of the calibration '{self.name}' must rise.")

    @property
    def sha256(self) -> str:
        """Hash of the quantiles as the graph holds them."""
        return "sha256:" + hashlib.sha256(self.quantiles.astype("<f8").tobytes()).hexdigest()

    def knots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Strictly rising raw values and their percentiles; of equal quantiles the highest percentile stays.

        The raw values are float32 numbers, as the graph holds them: quantiles that differ by less are equal.
        """
        held = self.quantiles.astype(np.float32).astype(np.float64)
        last_of_equals = np.append(np.diff(held) > 0, True)
        return held[last_of_equals], np.linspace(0, 100, QUANTILES)[last_of_equals]

    def score(self, raw: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Percentile of each raw value, 0..100: linear between the quantiles, clamped at the ends."""
        return np.interp(np.asarray(raw, np.float64), *self.knots())

    def save(self, path: Path) -> None:
        """Writes the calibration as JSON."""
        document = {
            "name": self.name,
            "regressor_sha256": self.regressor_sha256,
            "count": self.count,
            "source": self.source,
            "quantiles": [float(value) for value in self.quantiles],
        }
        path.write_text(json.dumps(document, indent=1) + "\n")


def measure_calibration(name: str, regressor_sha256: str, source: str, raw: NDArray[np.floating[Any]]) -> Calibration:
    """A calibration from the raw outputs of reference faces.

    Quantiles are estimated as Harrell and Davis do (Biometrika 69, 1982): each is a weighted mean of all the ordered
    outputs, so that among few faces the scale does not jump wherever two of them happen to lie close together.

    Args:
        name: Its id.
        regressor_sha256: The checkpoint that computed ``raw``, hex.
        source: Where the faces came from.
        raw: [N] raw outputs.
    """
    from scipy.stats.mstats import hdquantiles

    quantiles = np.asarray(hdquantiles(np.asarray(raw, np.float64), np.linspace(0, 1, QUANTILES)))
    # Weighted sums of equal numbers may differ in the last digit.
    return Calibration(name, regressor_sha256, len(raw), source, np.maximum.accumulate(quantiles))


def load_calibration(path: Path) -> Calibration:
    """Reads a calibration file.

    Raises:
        ExportError: The file is not a calibration.
    """
    try:
        return _parse(path.read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(f"'{path}' is no calibration file ({error!r}); `facestats calibrate` writes one.") from error


def bundled_calibration(regressor_sha256: str) -> Calibration | None:
    """The calibration shipped for this checkpoint, if there is one."""
    for entry in (files("facestats_export") / "calibrations").iterdir():
        if entry.name.endswith(".json"):
            calibration = _parse(entry.read_text())
            if calibration.regressor_sha256 == regressor_sha256:
                return calibration
    return None


def _parse(text: str) -> Calibration:
    document = json.loads(text)
    return Calibration(
        name=str(document["name"]),
        regressor_sha256=str(document["regressor_sha256"]),
        count=int(document["count"]),
        source=str(document["source"]),
        quantiles=np.array(document["quantiles"], np.float64),
    )
