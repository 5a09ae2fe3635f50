"""Calibrations: percentiles among reference faces, bound to one checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facestats_export.calibration import (
    QUANTILES,
    Calibration,
    bundled_calibration,
    load_calibration,
    measure_calibration,
)
from facestats_export.errors import ExportError
from facestats_export.sources import FACESTATS, FACESTATS_APP, PublicRegressor

RISING = np.sort(np.random.default_rng(3).normal(1.25, 0.09, QUANTILES))


def calibration(quantiles: np.ndarray = RISING) -> Calibration:
    return Calibration("some faces", "ab" * 32, 1000, "a test", quantiles)


def test_stored_quantiles_get_their_percentile_exactly() -> None:
    raw = RISING.astype(np.float32)
    np.testing.assert_allclose(calibration().score(raw), np.arange(101), atol=1e-9)


def test_between_quantiles_it_is_linear_and_outside_it_is_clamped() -> None:
    held = RISING.astype(np.float32).astype(float)
    between = held[40] + 0.25 * (held[41] - held[40])
    np.testing.assert_allclose(calibration().score(np.array([-5.0, between, 9.0])), [0, 40.25, 100], atol=1e-9)


def test_equal_quantiles_count_as_the_highest() -> None:
    quantiles = RISING.copy()
    quantiles[50:54] = quantiles[50]
    score = calibration(quantiles).score(np.array([quantiles[50]], np.float32))
    assert score == pytest.approx([53])


def test_quantiles_that_are_equal_as_float32_are_equal() -> None:
    quantiles = RISING.copy()
    quantiles[51] = np.nextafter(quantiles[50], 9)
    raw, score = calibration(quantiles).knots()
    assert len(raw) == len(score) == 100
    assert (np.diff(raw.astype(np.float32)) > 0).all()


@pytest.mark.parametrize(
    "quantiles",
    [RISING[:-1], RISING[::-1], np.ones(QUANTILES), np.where(np.arange(QUANTILES) == 7, np.nan, RISING)],
    ids=["too few", "falling", "all the same", "not a number"],
)
def test_what_is_no_distribution_is_refused(quantiles: np.ndarray) -> None:
    with pytest.raises(ExportError, match="some faces"):
        calibration(quantiles)


def test_written_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    calibration().save(tmp_path / "calibration.json")
    again = load_calibration(tmp_path / "calibration.json")
    assert again.sha256 == calibration().sha256
    assert (again.name, again.regressor_sha256, again.count) == ("some faces", "ab" * 32, 1000)
    np.testing.assert_array_equal(again.quantiles, RISING)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"name": "x", "quantiles": [1, 2]})])
def test_a_file_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(ExportError, match="no calibration file"):
        load_calibration(tmp_path / "calibration.json")


def test_measured_from_raw_outputs() -> None:
    raw = np.random.default_rng(0).normal(1.25, 0.09, 5000)
    measured = measure_calibration("faces", "ab" * 32, "a test", raw)
    assert measured.count == 5000
    assert measured.score(np.array([np.median(raw)])) == pytest.approx([50], abs=0.2)


@pytest.mark.parametrize(
    ("public", "name", "file"),
    [
        (FACESTATS, "facestats-sfhq-700", "reference_quantiles_models.json"),
        (FACESTATS_APP, "facestats-sfhq-10k", "reference_quantiles.json"),
    ],
    ids=["auto", "app"],
)
def test_the_published_checkpoints_have_one_and_others_do_not(
    public: PublicRegressor, name: str, file: str, shared_dir: Path
) -> None:
    bundled = bundled_calibration(public.sha256)
    assert bundled is not None
    assert bundled.name == name
    reference = json.loads((shared_dir / "facestats" / file).read_text())
    np.testing.assert_array_equal(bundled.quantiles, reference["quantiles"])
    assert bundled_calibration("0" * 64) is None
