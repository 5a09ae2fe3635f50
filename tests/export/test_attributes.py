"""Attribute heads: scikit-learn classifiers as ONNX graphs that say the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from facestats_export.attributes import PROBABILITY_LIMIT, check_head, load_head
from facestats_export.errors import ExportError
from tests.export.conftest import run_graph
from tests.export.pickle_bomb import Bomb, assert_harmless


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    def write(estimator: Any) -> Path:
        skops.io.dump(estimator, tmp_path / "classifier.skops")
        return tmp_path / "classifier.skops"

    return write


def labels(embeddings: np.ndarray, names: tuple[Any, ...]) -> np.ndarray:
    """One of the names each, so that all occur."""
    values = embeddings @ np.random.default_rng(5).standard_normal(512)
    ranks = values.argsort().argsort()
    chosen: np.ndarray = np.array(names)[ranks * len(names) // len(values)]
    return chosen


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), ("with glasses", "without")),
        (make_pipeline(StandardScaler(), LogisticRegression()), (0, 1, 2)),
        (LogisticRegression(C=100), ("yes", "no")),
        (make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=30, random_state=0)), ("a", "b", "c")),
    ],
    ids=["pipeline", "three classes by number", "logistic", "perceptron"],
)
def test_head_says_what_scikit_learn_says(
    estimator: Any, names: tuple[Any, ...], embeddings: np.ndarray, save: Callable[[Any], Path]
) -> None:
    estimator.fit(embeddings.astype(np.float64), labels(embeddings, names))
    head = load_head("wears_glasses", save(estimator), trust_pickle=False)
    assert (head.name, head.model) == ("WEARS_GLASSES", "attribute_wears_glasses")
    assert set(head.classes) == set(map(str, names))
    assert check_head(head, embeddings) <= PROBABILITY_LIMIT
    label, probability = run_graph(head.graph, embeddings, "WEARS_GLASSES_LABEL", "WEARS_GLASSES_PROBABILITY")
    expected = estimator.predict_proba(embeddings)
    assert len(set(label[:, 0])) > 1
    assert label.shape == (len(embeddings), 1)
    np.testing.assert_allclose(probability, expected, atol=PROBABILITY_LIMIT)
    np.testing.assert_array_equal(label[:, 0], estimator.predict(embeddings).astype(str))


def test_an_image_that_could_not_be_decoded_has_no_attribute(
    embeddings: np.ndarray, save: Callable[[Any], Path]
) -> None:
    estimator = LogisticRegression().fit(embeddings, labels(embeddings, ("yes", "no")))
    head = load_head("x", save(estimator), trust_pickle=False)
    batch = embeddings[:3].copy()
    batch[1] = -1
    label, probability = run_graph(head.graph, batch, "X_LABEL", "X_PROBABILITY")
    assert label[1, 0] == ""
    assert (probability[1] == -1).all()
    np.testing.assert_allclose(probability[[0, 2]], estimator.predict_proba(batch[[0, 2]]), atol=PROBABILITY_LIMIT)


def test_another_classifier_s_graph_is_found_out(embeddings: np.ndarray, save: Callable[[Any], Path]) -> None:
    right = LogisticRegression(C=100).fit(embeddings, labels(embeddings, ("yes", "no")))
    wrong = LogisticRegression(C=100).fit(embeddings, labels(embeddings[::-1], ("yes", "no")))
    head = load_head("x", save(wrong), trust_pickle=False)
    with pytest.raises(ExportError, match="differs from scikit-learn"):
        check_head(dataclasses.replace(head, estimator=right), embeddings)


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]), "takes 4 numbers"),
        (Ridge().fit(np.eye(512), np.arange(512)), "not a classifier"),
        (SGDClassifier(loss="hinge").fit(np.eye(512), np.arange(512) % 2), "not a classifier"),
    ],
    ids=["width", "regressor", "no probabilities"],
)
def test_what_cannot_be_a_head_is_refused(estimator: Any, why: str, save: Callable[[Any], Path]) -> None:
    with pytest.raises(ExportError, match=why):
        load_head("x", save(estimator), trust_pickle=False)


@pytest.mark.parametrize("name", ["", "two words", "1st", "a" * 40])
def test_names_that_are_no_tensor_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no name for an attribute"):
        load_head(name, tmp_path / "any", trust_pickle=False)


def test_a_bomb_is_not_set_off(tmp_path: Path) -> None:
    import joblib

    joblib.dump(Bomb(tmp_path / "executed"), tmp_path / "head.pkl")
    with assert_harmless(tmp_path / "executed"), pytest.raises(ExportError, match="--trust-pickle"):
        load_head("x", tmp_path / "head.pkl", trust_pickle=False)


def test_the_published_classifier_is_a_pickle_and_needs_trust(shared_dir: Path) -> None:
    with pytest.raises(ExportError, match="--trust-pickle"):
        load_head("gender", shared_dir / "facestats" / "gender_clf.pkl", trust_pickle=False)
