"""Triton, the gateway and ONNX Runtime in a worker give the same photo the same score."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from facestats.faces.options import ScoreOptions
from facestats.holistic.backend import HolisticUnavailableError
from facestats.holistic.onnx import OnnxBackend, ServedGraphs, check_golden_case, read_served_graphs
from facestats.scoring.receipt import receipt
from facestats_bulk.blocks import Block
from facestats_bulk.engine import EngineOptions, open_engine, triton_provenance
from facestats_bulk.errors import BulkError
from facestats_bulk.inputs import ImageInput
from facestats_bulk.run import BulkOptions, engine_options
from facestats_bulk.schema import document_of
from facestats_gateway.settings import Settings
from tests.stack import Stack

pytestmark = pytest.mark.integration

OPTIONS = {
    "aligned": ScoreOptions(capture="fast", include=frozenset({"embedding"})),
    "whole image": ScoreOptions(crop="full", all_faces=True, capture="fast", include=frozenset({"embedding"})),
}


@pytest.fixture(scope="module")
def graphs(spread_repository: Path) -> ServedGraphs:
    return read_served_graphs(spread_repository)


@pytest.fixture(scope="module")
def files(photos: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for index, photo in enumerate(photos[:16]):
        (folder / f"{index:02d}.jpg").write_bytes(photo)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", OPTIONS)
def test_all_ways_give_the_same_document(
    name: str, graphs: ServedGraphs, spread_stack: Stack, files: list[Path]
) -> None:
    score = OPTIONS[name]
    asked = {"crop": score.crop, "faces": "all" if score.all_faces else "largest", "capture": score.capture}
    with httpx.Client(base_url=spread_stack.url, timeout=60) as client:
        answers = [
            client.post("/v1/score", params=asked | {"include": "embedding"}, files={"image": path.read_bytes()})
            for path in files
        ]
    by_gateway = [without_time(answer.raise_for_status().json()) for answer in answers]
    options = options_for(score, spread_stack)
    by_triton = asyncio.run(documents(options, None, files))
    in_process = asyncio.run(documents(replace(options, triton_targets=()), graphs, files))
    holistic = [document["faces"][0]["holistic"]["score"] for document in by_gateway]
    assert max(holistic) - min(holistic) > 15
    assert 0 < min(holistic) <= max(holistic) < 100
    heads = [document["faces"][0]["holistic"]["attributes"]["GLASSES"]["probability"]["yes"] for document in by_gateway]
    assert len(set(heads)) > 1
    assert by_triton == by_gateway
    assert in_process == by_gateway


def test_scores_do_not_depend_on_the_worker_s_cores(graphs: ServedGraphs) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    with contextlib.ExitStack() as closing:
        answers = []
        for cores in (1, 4):
            backend = OnnxBackend(graphs, cores)
            closing.callback(backend.close)
            answers.append(asyncio.run(backend.infer(pixels, timeout=60, embedding=True, attributes=())))
    one, four = answers
    assert np.array_equal(one.score, four.score)
    assert one.embedding is not None
    assert four.embedding is not None
    assert np.array_equal(one.embedding, four.embedding)


def test_models_that_answer_differently_than_exported_are_refused(graphs: ServedGraphs) -> None:
    wrong = replace(graphs, parameters={**graphs.parameters, "golden_score": "1.5"})
    backend = OnnxBackend(graphs, 1)
    try:
        asyncio.run(check_golden_case(backend, graphs.provenance))
        with pytest.raises(HolisticUnavailableError, match="answer differently here: the score is"):
            asyncio.run(check_golden_case(backend, wrong.provenance))
    finally:
        backend.close()


def test_another_model_s_scores_are_refused(graphs: ServedGraphs, spread_stack: Stack, files: list[Path]) -> None:
    options = replace(options_for(OPTIONS["aligned"], spread_stack), receipt="sha256:another")
    with pytest.raises(BulkError, match="the model changed during the run"):
        asyncio.run(documents(options, None, files[:1]))


def test_triton_that_is_away_ends_the_run_and_writes_no_row(files: list[Path]) -> None:
    settings = Settings(triton_urls="127.0.0.1:1")
    options = replace(engine_options(BulkOptions([], "", use_triton=True, settings=settings)), patience=0.5)
    with pytest.raises(BulkError, match=r"127\.0\.0\.1:1 cannot score"):
        asyncio.run(triton_provenance(options))
    with pytest.raises(BulkError, match="Run again to go on from here"):
        asyncio.run(documents(options, None, files[:1]))


def options_for(score: ScoreOptions, stack: Stack) -> EngineOptions:
    settings = Settings(triton_urls=stack.grpc, face_networks=stack.repository)
    options = engine_options(BulkOptions([], "", score, use_triton=True, settings=settings))
    provenance = asyncio.run(triton_provenance(options))
    return replace(options, receipt=receipt(provenance, options.design))


async def documents(options: EngineOptions, graphs: ServedGraphs | None, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Scores one after another: Triton's batches, and so the last bits, then hold one photo each."""
    async with open_engine(options, graphs) as engine:
        rows = []
        for path in files:
            rows += await engine.rows(Block((ImageInput(path.name, str(path)),)))
    return [without_time(document_of(row).model_dump(mode="json")) for row in rows]


def without_time(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "timing_ms"}
