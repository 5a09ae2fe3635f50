"""The real embeddings that ship with the product: what regressors, the sex classifier and drift make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facestats_export.attributes import PROBABILITY_LIMIT, check_head, load_head
from facestats_export.calibration import Calibration, bundled_calibration
from facestats_export.checkpoints import load_regressor
from facestats_export.graph import regressor_graph
from facestats_export.reference_faces import ReferenceFaces, disturbed, reference_faces
from facestats_export.regressor import Regressor
from facestats_export.sources import FACESTATS
from tests.export.conftest import run_graph


@pytest.fixture(scope="module")
def faces() -> ReferenceFaces:
    return reference_faces()


@pytest.fixture(scope="module", params=["512-256-256-1", "512-256-64-1"])
def regressor(request: pytest.FixtureRequest, shared_dir: Path) -> Regressor:
    return load_regressor(shared_dir / "facestats" / f"attractiveness_regressor_{request.param}.pt")


@pytest.fixture(scope="module")
def calibration(regressor: Regressor) -> Calibration:
    bundled = bundled_calibration(regressor.sha256)
    assert bundled is not None
    return bundled


def test_they_spread_as_real_faces_do(faces: ReferenceFaces) -> None:
    assert faces.embedding.shape == (700, 512)
    assert faces.embedding.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(faces.embedding, axis=1), 1, atol=2e-4)
    cosine = faces.embedding @ faces.embedding.T
    assert np.mean(cosine[np.triu_indices(700, 1)]) == pytest.approx(0.61, abs=0.005)


def test_they_are_the_published_ones(faces: ReferenceFaces, shared_dir: Path) -> None:
    published = np.load(shared_dir / "embeddings" / "sfhq_clip_700.npz", allow_pickle=True)
    np.testing.assert_allclose(faces.embedding, published["embedding"], rtol=2**-11, atol=2**-24)
    np.testing.assert_array_equal(faces.age, published["age"])
    np.testing.assert_array_equal(faces.sex, published["gender_checked"].astype(str))
    np.testing.assert_array_equal(faces.ethnicity, published["ethnicity_checked"].astype(str))


def test_rounding_them_costs_a_score_almost_nothing(
    faces: ReferenceFaces, regressor: Regressor, calibration: Calibration, shared_dir: Path
) -> None:
    published = np.load(shared_dir / "embeddings" / "sfhq_clip_700.npz", allow_pickle=True)["embedding"]
    exact, rounded = (calibration.score(regressor.predict(item)) for item in (published, faces.embedding))
    assert np.ptp(exact) > 90
    assert np.abs(exact - rounded).max() < 0.1


def test_a_regressor_s_graph_gives_them_the_score_of_its_calibration(
    faces: ReferenceFaces, regressor: Regressor, calibration: Calibration
) -> None:
    graph = regressor_graph(regressor.layers, calibration).SerializeToString()
    raw, score = run_graph(graph, faces.embedding, "RAW", "SCORE")
    expected = regressor.predict(faces.embedding)
    np.testing.assert_allclose(raw[:, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(score[:, 0], calibration.score(expected), atol=0.05)
    assert np.ptp(score) > 90


def test_the_calibration_of_the_documented_regressor_is_the_distribution_over_them(
    faces: ReferenceFaces, shared_dir: Path
) -> None:
    regressor = load_regressor(shared_dir / "facestats" / "attractiveness_regressor_512-256-256-1.pt")
    calibration = bundled_calibration(FACESTATS.sha256)
    assert calibration is not None
    assert (calibration.name, calibration.count) == ("facestats-sfhq-700", 700)
    quantiles = np.quantile(regressor.predict(faces.embedding), np.linspace(0, 1, 101))
    np.testing.assert_allclose(calibration.quantiles, quantiles, atol=1e-3)


def test_a_precision_s_cosine_means_points(
    faces: ReferenceFaces, regressor: Regressor, calibration: Calibration
) -> None:
    """Half a point on average needs a cosine of 0.9998; the two towers' usual 0.99999 costs a sixth of a point."""
    exact = calibration.score(regressor.predict(faces.embedding))

    def drift(cosine: float) -> np.ndarray:
        drifted: np.ndarray = np.abs(
            calibration.score(regressor.predict(disturbed(faces.embedding, cosine, 1))) - exact
        )
        return drifted

    assert 0.25 < drift(0.9998).mean() < 0.65
    assert 0.05 < drift(0.99999).mean() < 0.2
    assert drift(0.999999).max() < 0.8
    assert drift(0.99).mean() > 2


def test_disturbed_embeddings_have_the_cosine_asked_for(faces: ReferenceFaces) -> None:
    turned = disturbed(faces.embedding, 0.99, seed=3)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 1, atol=1e-12)
    unit = faces.embedding / np.linalg.norm(faces.embedding, axis=1, keepdims=True)
    np.testing.assert_allclose((turned * unit).sum(1), 0.99, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_the_published_sex_classifier_agrees_with_the_checked_words(faces: ReferenceFaces, shared_dir: Path) -> None:
    head = load_head("gender", shared_dir / "facestats" / "gender_clf.pkl", trust_pickle=True)
    assert check_head(head, faces.embedding) <= PROBABILITY_LIMIT
    checked = faces.sex != ""
    label, probability = run_graph(head.graph, faces.embedding[checked], "GENDER_LABEL", "GENDER_PROBABILITY")
    assert np.mean(label[:, 0] == faces.sex[checked]) >= 0.97
    assert {"female", "male"} <= set(label[:, 0])
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-5)
