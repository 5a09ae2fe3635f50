"""The client against the real service."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facestats.geometry import METRICS
from facestats_client import (
    AsyncFaceStatsClient,
    BadParameterError,
    FaceStatsClient,
    ImageRefusedError,
    NoFaceError,
    ScoreOptions,
    ServiceUnreachableError,
    TritonScorer,
    calculate_attractiveness_score,
)
from tests.stack import Stack, free_port

pytestmark = pytest.mark.integration


def noise() -> NDArray[np.uint8]:
    """A picture of nothing, [300, 300, 3] uint8."""
    return np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)


def test_all_forms_of_a_picture_score_alike(stack: Stack, example_path: Path, photo: NDArray[np.uint8]) -> None:
    with FaceStatsClient(stack.url) as client:
        results = [
            client.score(form) for form in (example_path, example_path.read_bytes(), Image.fromarray(photo), photo)
        ]
    scores = [result.face.score for result in results]
    assert scores[0] is not None
    assert scores == pytest.approx([scores[0]] * 4, abs=0.02)
    face = results[0].face
    assert [metric.name for metric in face.geometric.metrics] == [metric.name for metric in METRICS]
    assert face.holistic is not None
    assert face.holistic.score is not None
    assert face.geometric.score is not None
    assert face.score == pytest.approx(0.6 * face.geometric.score + 0.4 * face.holistic.score, abs=0.02)
    assert results[0].model.receipt.startswith("sha256:")


def test_options_reach_the_service(stack: Stack, example_path: Path) -> None:
    options = ScoreOptions(
        crop="full", sex="female", capture="fast", faces="all", include=["landmarks", "embedding", "overlay"]
    )
    with FaceStatsClient(stack.url) as client:
        face = client.score(example_path, options).face
    assert face.geometric.sex == "female"
    assert face.holistic is not None
    assert face.holistic.crop == "full"
    assert face.landmarks is not None
    assert face.embedding is not None
    assert (len(face.landmarks), len(face.embedding)) == (478, 512)
    assert (face.overlay or "").startswith("data:image/jpeg;base64,")


def test_refusals_are_exceptions_of_their_kind(stack: Stack, example_path: Path) -> None:
    with FaceStatsClient(stack.url) as client:
        with pytest.raises(NoFaceError) as no_face:
            client.score(noise())
        assert (no_face.value.code, no_face.value.status) == ("no-face", 422)
        with pytest.raises(ImageRefusedError):
            client.score(b"not a photo")
        with pytest.raises(BadParameterError):
            client.score(example_path, ScoreOptions(include=["soul"]))  # type: ignore[list-item]


def test_many_pictures_keep_their_order_and_one_bad_one_stops_nobody(stack: Stack, example_path: Path) -> None:
    images: list[Path | bytes] = [example_path, b"not a photo", Path("nowhere.jpg"), *[example_path] * 9]
    with FaceStatsClient(stack.url) as client:
        outcomes = list(client.score_many(iter(images), concurrency=3, progress=True))
    assert [outcome.index for outcome in outcomes] == list(range(12))
    assert isinstance(outcomes[1].error, ImageRefusedError)
    assert isinstance(outcomes[2].error, FileNotFoundError)
    scores = {round(outcome.result.face.score or -1, 1) for outcome in outcomes if outcome.result}
    assert len(scores) == 1
    assert sum(outcome.result is not None for outcome in outcomes) == 10


async def test_asynchronous_twin_answers_alike(stack: Stack, example_path: Path) -> None:
    with FaceStatsClient(stack.url) as client:
        expected = client.score(example_path)
        model = client.model()
        assert client.is_ready()
    async with AsyncFaceStatsClient(stack.url) as twin:
        assert await twin.is_ready()
        assert (await twin.model()) == model
        result = await twin.score(example_path)
        outcomes = [outcome async for outcome in twin.score_many([example_path] * 5 + [b"no"], concurrency=2)]
    assert result.face.geometric == expected.face.geometric
    assert [outcome.index for outcome in outcomes] == list(range(6))
    assert isinstance(outcomes[5].error, ImageRefusedError)
    assert all(outcome.result for outcome in outcomes[:5])


def test_drop_in_takes_bgr_and_gives_the_holistic_score(
    stack: Stack, example_path: Path, photo: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    with FaceStatsClient(stack.url) as client:
        model, holistic = client.model(), client.score(example_path).face.holistic
        swapped = client.score(photo[..., ::-1]).face.holistic
    assert holistic is not None
    assert swapped is not None
    assert swapped.raw != pytest.approx(holistic.raw, abs=1e-4), (
        "channel order must matter, or this test could not fail"
    )
    caplog.set_level(logging.WARNING)
    score = calculate_attractiveness_score(photo[..., ::-1], url=stack.url)
    assert score == pytest.approx(holistic.score, abs=0.02)
    assert ("untrained" in caplog.text) == (model.weights == "untrained")
    assert calculate_attractiveness_score(noise(), url=stack.url) is None


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_triton_scorer_gives_the_gateway_s_answers(
    stack: Stack, example_path: Path, photo: NDArray[np.uint8], protocol: str
) -> None:
    options = ScoreOptions(sex="female", capture="fast", include=("landmarks",))
    with FaceStatsClient(stack.url) as client:
        expected = client.score(example_path, options)
    address = stack.grpc if protocol == "grpc" else stack.http
    with TritonScorer(address, protocol=protocol) as scorer:  # type: ignore[arg-type]
        result = scorer.score(example_path, options)
        outcomes = list(scorer.score_many([example_path, b"not a photo", "absent.jpg", *[photo] * 8], options))
        with pytest.raises(ImageRefusedError):
            scorer.score(b"not a photo")
        with pytest.raises(BadParameterError):
            scorer.score(photo, ScoreOptions(sex="neither"))  # type: ignore[arg-type]
    assert result.model == expected.model
    assert result.face.score == pytest.approx(expected.face.score, abs=0.01)
    assert result.face.landmarks == expected.face.landmarks
    assert [outcome.index for outcome in outcomes] == list(range(11))
    assert isinstance(outcomes[1].error, ImageRefusedError)
    assert isinstance(outcomes[2].error, FileNotFoundError)
    for outcome in (outcomes[0], *outcomes[3:]):
        assert outcome.result is not None
        # The array is decoded from the same file.
        assert outcome.result.face.score == pytest.approx(expected.face.score, abs=0.02)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_triton_away_is_one_clear_error(protocol: str) -> None:
    with (
        TritonScorer(f"127.0.0.1:{free_port()}", protocol=protocol, timeout=5) as scorer,  # type: ignore[arg-type]
        pytest.raises(ServiceUnreachableError),
    ):
        scorer.score(b"some image")
