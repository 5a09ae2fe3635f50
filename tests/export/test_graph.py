"""The ONNX graphs: calibration inside, batch axis open, the same bytes for the same module."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from facestats.holistic.provenance import NO_SCORE
from facestats_export.calibration import QUANTILES, Calibration, bundled_calibration
from facestats_export.clip import load_clip
from facestats_export.graph import export_clip, regressor_graph
from facestats_export.regressor import Layer, untrained_regressor
from facestats_export.sources import FACESTATS, FACESTATS_APP
from facestats_export.tower import ServedTower
from tests.export.spread_tower import SpreadTower

FIRST_NUMBER = Layer(np.eye(1, 512, dtype=np.float32), np.zeros(1, np.float32))
"""A regressor that reads the embedding's first number, so that any RAW can be asked for."""


def scores(calibration: Calibration | None, raw: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(regressor_graph([FIRST_NUMBER], calibration).SerializeToString())
    embeddings = np.zeros((len(raw), 512), np.float32)
    embeddings[:, 0] = raw
    read, score = session.run(["RAW", "SCORE"], {"EMBEDDING": embeddings})
    np.testing.assert_array_equal(read[:, 0], raw.astype(np.float32))
    return np.asarray(score[:, 0])


@pytest.fixture(scope="module", params=[FACESTATS, FACESTATS_APP], ids=["auto", "app"])
def facestats(request: pytest.FixtureRequest) -> Calibration:
    bundled = bundled_calibration(request.param.sha256)
    assert bundled is not None
    return bundled


def test_score_is_exact_at_every_stored_quantile(facestats: Calibration) -> None:
    np.testing.assert_allclose(scores(facestats, facestats.quantiles), np.arange(101), atol=1e-4)


def test_score_is_monotone_linear_and_clamped(facestats: Calibration) -> None:
    raw = np.linspace(facestats.quantiles[0] - 0.3, facestats.quantiles[-1] + 0.3, 20_001).astype(np.float32)
    score = scores(facestats, raw)
    assert (np.diff(score) >= 0).all()
    assert (score[0], score[-1]) == (0, 100)
    np.testing.assert_allclose(score, facestats.score(raw), atol=1e-3)


def test_equal_and_nearly_equal_quantiles_do_not_break_it(facestats: Calibration) -> None:
    quantiles = facestats.quantiles.copy()
    quantiles[10:14] = quantiles[10]
    quantiles[60] = np.nextafter(quantiles[59], 9)
    calibration = Calibration("ties", "", QUANTILES, "a test", quantiles)
    score = scores(calibration, quantiles)
    assert (np.diff(score) >= 0).all()
    np.testing.assert_allclose(score, calibration.score(quantiles.astype(np.float32)), atol=1e-3)
    assert score[10] == pytest.approx(13, abs=1e-4)


def test_without_a_calibration_there_is_no_score() -> None:
    assert (scores(None, np.array([0.1, 1.2])) == NO_SCORE).all()


def test_regressor_graph_is_the_regressor() -> None:
    regressor = untrained_regressor()
    session = onnxruntime.InferenceSession(regressor_graph(regressor.layers, None).SerializeToString())
    embeddings = np.random.default_rng(0).standard_normal((5, 512)).astype(np.float32)
    raw, copy = session.run(["RAW", "EMBEDDING_COPY"], {"EMBEDDING": embeddings})
    assert np.ptp(raw) > 0.1, "the same answer for all could not be wrong"
    np.testing.assert_allclose(raw[:, 0], regressor.predict(embeddings), rtol=1e-4)
    np.testing.assert_array_equal(copy, embeddings)


def test_encoder_gives_unit_embeddings_of_any_batch(encoder: onnx.ModelProto, pixels: np.ndarray) -> None:
    session = onnxruntime.InferenceSession(encoder.SerializeToString())
    for size in (1, 3, 8):
        (embedding,) = session.run(["EMBEDDING"], {"PIXELS": pixels[:size]})
        assert embedding.shape == (size, 512)
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, rtol=1e-5)


@pytest.mark.integration
def test_same_tower_gives_the_same_bytes(tower: SpreadTower, encoder: onnx.ModelProto) -> None:
    again = export_clip(ServedTower(load_clip(str(tower.snapshot), print)))
    assert again.SerializeToString(deterministic=True) == encoder.SerializeToString(deterministic=True)
    text = str(encoder)
    assert ".py" not in text.replace(".pytorch", "")
    assert str(tower.snapshot) not in text
