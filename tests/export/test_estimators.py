"""Scikit-learn files: skops without trust, pickles only with it."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from facestats_export.errors import ExportError
from facestats_export.estimators import load_estimator
from tests.export.pickle_bomb import Bomb, assert_harmless


@pytest.fixture
def classifier() -> LogisticRegression:
    features = np.random.default_rng(0).normal(size=(40, 4))
    return LogisticRegression().fit(features, features[:, 0] > 0)


def test_skops_needs_no_trust(classifier: LogisticRegression, tmp_path: Path) -> None:
    skops.io.dump(classifier, tmp_path / "model.skops")
    loaded, sha256 = load_estimator(tmp_path / "model.skops", trust_pickle=False)
    np.testing.assert_array_equal(loaded.coef_, classifier.coef_)
    assert len(sha256) == 64


def test_a_pickle_needs_trust(classifier: LogisticRegression, tmp_path: Path) -> None:
    joblib.dump(classifier, tmp_path / "model.pkl")
    with pytest.raises(ExportError, match="--trust-pickle"):
        load_estimator(tmp_path / "model.pkl", trust_pickle=False)
    loaded, _ = load_estimator(tmp_path / "model.pkl", trust_pickle=True)
    np.testing.assert_array_equal(loaded.coef_, classifier.coef_)


def test_a_bomb_without_trust_does_not_go_off(tmp_path: Path) -> None:
    joblib.dump(Bomb(tmp_path / "executed"), tmp_path / "model.pkl")
    with assert_harmless(tmp_path / "executed"), pytest.raises(ExportError, match="nothing in it was executed"):
        load_estimator(tmp_path / "model.pkl", trust_pickle=False)


@pytest.mark.parametrize("name", ["model.pkl", "model.skops"])
def test_damaged_files_are_one_sentence(name: str, classifier: LogisticRegression, tmp_path: Path) -> None:
    path = tmp_path / name
    (skops.io if name.endswith("skops") else joblib).dump(classifier, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ExportError, match="cannot be unpickled"):
        load_estimator(path, trust_pickle=True)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be read"):
        load_estimator(tmp_path / "nothing.pkl", trust_pickle=True)
