"""Drift, in cosine and in points of real faces: good precisions pass, bad ones fail."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from facestats_export.answers import Answers
from facestats_export.calibration import Calibration
from facestats_export.checkpoints import load_regressor
from facestats_export.drift import ALIKE, LIMITS, Comparison, FaceScale, Figures, compare, mean_cosine
from facestats_export.engines import PRECISIONS
from facestats_export.parity import BATCH_LIMITS
from facestats_export.provenance import GOLDEN_TOLERANCE
from facestats_export.reference_faces import disturbed, reference_faces
from facestats_export.regressor import untrained_regressor

PHOTOS = 32
PUBLISHED = ("512-256-256-1", "512-256-64-1")
ONE_LIMIT = LIMITS["bf16"]
WITHIN = Comparison("an engine", PHOTOS, ONE_LIMIT.cosine, ONE_LIMIT.points, ONE_LIMIT.points, 0.0, 1.0)


@pytest.fixture(scope="module")
def faces() -> FaceScale:
    return FaceScale(untrained_regressor())


def published(sizes: str, shared_dir: Path) -> FaceScale:
    return FaceScale(load_regressor(shared_dir / "facestats" / f"attractiveness_regressor_{sizes}.pt"))


def imprecise(cosine: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """[32, 512] twice: real embeddings, and as a tower gives them whose every answer has this cosine to them."""
    exact = reference_faces().embedding[:PHOTOS]
    return exact, disturbed(exact, cosine, seed)


def test_figures_are_of_the_sample() -> None:
    found = Figures.of(np.arange(101) / 100)
    assert (found.mean, found.p95, found.worst) == pytest.approx((0.5, 0.95, 1.0))


@pytest.mark.parametrize(("place", "value"), [("mean", 2.1), ("p95", 4.2), ("worst", 8.4), ("worst", math.nan)])
def test_any_figure_can_be_past_its_limit(place: str, value: float) -> None:
    limits = Figures(2.0, 4.0, 8.0)
    assert limits.share_of(limits) == 1
    assert dataclasses.replace(limits, **{place: value}).share_of(limits) > 1


def test_every_precision_has_its_limits() -> None:
    assert LIMITS.keys() == BATCH_LIMITS.keys() == GOLDEN_TOLERANCE.keys() == set(PRECISIONS)


def test_the_photos_own_points_are_judged_only_where_they_tell() -> None:
    drifting = dataclasses.replace(WITHIN, score=Figures(5.0, 10.0, 20.0))
    assert WITHIN.share_of_limits("bf16", photos_differ=True) == 1
    assert drifting.share_of_limits("bf16", photos_differ=False) == 1
    assert drifting.failures("bf16", photos_differ=False) == []
    assert drifting.share_of_limits("bf16", photos_differ=True) > 1
    (failure,) = drifting.failures("bf16", photos_differ=True)
    assert failure.startswith("an engine: the photos' points mean 5, 95 % 10, worst 20 (limits ")


def test_compare_finds_cosine_points_and_rank(faces: FaceScale) -> None:
    calibration = Calibration("test", "", 101, "a test", np.linspace(1, 2, 101))
    raw = np.linspace(1.1, 1.9, 9)
    embedding = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 9)))[0].T
    swapped, turned = raw.copy(), embedding.copy()
    swapped[3], swapped[4] = raw[4], raw[3]
    turned[2] = 0.6 * turned[2] + 0.8 * turned[5]
    reference = Answers(embedding, raw, calibration.score(raw))
    found = compare("some engine", reference, Answers(turned, swapped, calibration.score(swapped)), faces)
    assert found.images == 9
    assert found.raw_worst == pytest.approx(0.1)
    assert (found.score.worst, found.score.mean) == pytest.approx((10, 20 / 9), abs=1e-3)
    assert (found.cosine.worst, found.cosine.mean) == pytest.approx((0.4, 0.4 / 9), abs=1e-6)
    assert found.rank_correlation == pytest.approx(1 - 6 * 2 / (9 * 80))
    assert found.points.worst > 1


def test_equal_embeddings_move_no_face(faces: FaceScale) -> None:
    exact, _ = imprecise(1.0)
    assert faces.changes(exact, exact).max() == 0
    assert faces.changes(exact, 3.0 * exact).max() < 1e-6, "only the direction counts"


def test_an_error_moves_real_faces_as_much_however_close_together_the_photos_are(faces: FaceScale) -> None:
    exact, live = imprecise(1 - 1e-4)
    middle = exact[0]
    near = middle + 0.05 * (exact - middle)
    assert mean_cosine(near) > ALIKE > mean_cosine(exact)
    as_far_apart = faces.changes(exact, live).mean()
    close_together = faces.changes(near, near + (live - exact) * np.linalg.norm(near, axis=1, keepdims=True)).mean()
    assert close_together == pytest.approx(as_far_apart, rel=0.2)


def test_mean_cosine_is_of_different_photos() -> None:
    assert mean_cosine(np.eye(4, 512)) == pytest.approx(0)
    assert mean_cosine(np.ones((3, 512))) == pytest.approx(1)
    assert mean_cosine(np.ones((1, 512))) == 1
    assert mean_cosine(reference_faces().embedding) == pytest.approx(0.61, abs=0.02)


@pytest.mark.parametrize("sizes", PUBLISHED)
@pytest.mark.parametrize(
    ("precision", "distance", "passes"),
    [
        ("bf16", 6e-5, True),
        ("int8", 6e-5, True),
        ("bf16", 2e-4, True),
        ("int8", 1e-3, False),
        ("bf16", 2e-3, False),
        ("fp16", 2e-7, True),
        ("fp16", 6e-5, False),
        ("fp32", 1e-10, True),
        ("fp32", 1e-6, False),
    ],
)
def test_with_the_published_regressors_a_good_precision_passes_and_a_bad_one_fails(
    sizes: str, precision: str, distance: float, passes: bool, shared_dir: Path
) -> None:
    exact, live = imprecise(1 - distance)
    points = Figures.of(published(sizes, shared_dir).changes(exact, live))
    cosine = Figures(distance, distance, distance)
    limits = LIMITS[precision]
    assert (cosine.share_of(limits.cosine) <= 1) == passes
    assert (points.share_of(limits.points) <= 1) == passes, points


@pytest.mark.parametrize("sizes", PUBLISHED)
def test_an_error_in_one_photo_of_many_is_found(sizes: str, shared_dir: Path) -> None:
    exact, live = imprecise(1 - 1e-5)
    live[7] = disturbed(exact[7:8], 0.99, 3)[0]
    nothing = np.arange(PHOTOS, dtype=float)
    reference, answers = (Answers(embedding, nothing, nothing) for embedding in (exact, live))
    found = compare("an engine", reference, answers, published(sizes, shared_dir))
    assert found.points.worst > 3
    assert found.share_of_limits("int8", photos_differ=False) > 1
