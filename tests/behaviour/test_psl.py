"""Triton scores whole photos: NVIDIA's own clients and the gateway in both modes say the same of 48 portraits."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from facestats_export.parity import TELLING_SPREAD
from facestats_local_triton.perf_analyzer import run_perf_analyzer
from tests.export.conftest import quietly, spread_options
from tests.export.spread_tower import write_spread_tower
from tests.gateway_process import GatewayProcess
from tests.stack import Stack

pytestmark = pytest.mark.integration

NUMBERS = ("SCORE", "GEOMETRIC", "HOLISTIC", "RELIABILITY")
CHOICES = ("CROP", "FACES", "SEX", "CAPTURE", "INCLUDE")
PORTRAITS = 48


@dataclass(frozen=True)
class Served:
    """One Triton behind two gateways.

    Attributes:
        stack: Triton, and the gateway that hands photos to it.
        gateway_url: A gateway that scores itself and asks the same Triton for the holistic half.
    """

    stack: Stack
    gateway_url: str

    @property
    def door_url(self) -> str:
        """The gateway that hands photos to Triton."""
        return self.stack.url


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A small tower on which different photos get different scores."""
    folder = tmp_path_factory.mktemp("psl")
    repository = folder / "model_repository"
    quietly(spread_options(write_spread_tower(folder), repository))
    with (
        Stack(repository, {"FACESTATS_SCORING": "triton"}, arguments=("--open-triton-api", "shared-memory")) as stack,
        GatewayProcess({"FACESTATS_TRITON_URLS": stack.grpc, "FACESTATS_FACE_NETWORKS": str(repository)}) as gateway,
    ):
        yield Served(stack, gateway.url)


@pytest.fixture(scope="module")
def portraits(shared_dir: Path) -> list[bytes]:
    """Encoded portraits of different people."""
    paths = sorted((shared_dir / "faces").glob("*.jpg"))[:PORTRAITS]
    assert len(paths) == PORTRAITS
    return [path.read_bytes() for path in paths]


@pytest.fixture(scope="module")
def expected(served: Served, portraits: list[bytes]) -> list[dict[str, Any]]:
    """What the gateway itself answers for each portrait."""
    documents = [answer.json() for answer in posted(served.gateway_url, portraits)]
    scores = [document["faces"][0]["score"] for document in documents]
    assert max(scores) - min(scores) > TELLING_SPREAD, "equal scores would compare nothing"
    assert max(holistic_scores(documents)) - min(holistic_scores(documents)) > TELLING_SPREAD
    return documents


def holistic_scores(documents: Sequence[dict[str, Any]]) -> list[float]:
    return [document["faces"][0]["holistic"]["score"] for document in documents]


def posted(url: str, photos: Sequence[bytes], **query: str) -> list[httpx.Response]:
    """The answers of ``/v1/score``, in the photos' order."""
    with httpx.Client(base_url=url, timeout=120, headers={"Content-Type": "image/jpeg"}) as client:

        def post(photo: bytes) -> httpx.Response:
            return client.post("/v1/score", content=photo, params=query)

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(post, photos))


def inputs(module: Any, photos: Sequence[bytes], **choices: str) -> list[Any]:
    """Tensors of one request, for either of NVIDIA's clients."""
    columns = {"IMAGE": list(photos)} | {name: [text.encode()] * len(photos) for name, text in choices.items()}
    tensors = []
    for name, column in columns.items():
        tensor = module.InferInput(name, [len(photos), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[value] for value in column], dtype=np.object_))
        tensors.append(tensor)
    return tensors


def outputs(answer: Any) -> list[dict[str, Any]]:
    """An answer's items."""
    arrays = {name: answer.as_numpy(name)[:, 0] for name in (*NUMBERS, "DOCUMENT", "ERROR")}
    return [dict(zip(arrays, values, strict=True)) for values in zip(*arrays.values(), strict=True)]


def over_grpc(served: Served, photos: Sequence[bytes], **choices: str) -> list[dict[str, Any]]:
    with tritonclient.grpc.InferenceServerClient(served.stack.grpc) as client:
        return outputs(client.infer("psl", inputs(tritonclient.grpc, photos, **choices)))


def over_http(served: Served, photos: Sequence[bytes]) -> list[dict[str, Any]]:
    with tritonclient.http.InferenceServerClient(served.stack.http, network_timeout=120) as client:
        return outputs(client.infer("psl", inputs(tritonclient.http, photos)))


def over_aio(served: Served, photos: Sequence[bytes]) -> list[dict[str, Any]]:
    """Each photo a request of its own, all at once: Triton itself makes the batches."""

    async def ask() -> list[dict[str, Any]]:
        async with tritonclient.grpc.aio.InferenceServerClient(served.stack.grpc) as client:
            requests = [inputs(tritonclient.grpc, [photo]) for photo in photos]
            answers = await asyncio.gather(*(client.infer("psl", tensors) for tensors in requests))
        return [outputs(answer)[0] for answer in answers]

    return asyncio.run(ask())


@pytest.mark.parametrize("ask", [over_grpc, over_http, over_aio])
def test_nvidia_s_clients_get_the_gateway_s_scores(
    served: Served,
    portraits: list[bytes],
    expected: list[dict[str, Any]],
    ask: Callable[[Served, Sequence[bytes]], list[dict[str, Any]]],
) -> None:
    items = [item for start in range(0, PORTRAITS, 16) for item in ask(served, portraits[start : start + 16])]
    for item, wanted in zip(items, expected, strict=True):
        assert item["ERROR"] == b""
        face = wanted["faces"][0]
        assert item["SCORE"] == pytest.approx(face["score"], abs=0.01)
        assert item["GEOMETRIC"] == pytest.approx(face["geometric"]["score"], abs=0.01)
        assert item["HOLISTIC"] == pytest.approx(face["holistic"]["score"], abs=0.01)
        assert item["RELIABILITY"] == pytest.approx(face["quality"]["reliability"], abs=0.06)
        assert_same_document(json.loads(item["DOCUMENT"]), wanted)


def test_the_thin_door_gives_the_gateway_s_answers(
    served: Served, portraits: list[bytes], expected: list[dict[str, Any]]
) -> None:
    for answer, wanted in zip(posted(served.door_url, portraits), expected, strict=True):
        assert answer.status_code == 200, answer.text
        assert_same_document(answer.json(), wanted)


@pytest.mark.parametrize(
    "query",
    [
        {"crop": "full", "capture": "fast"},
        {"sex": "male"},
        {"faces": "all", "include": "landmarks,embedding,overlay"},
    ],
)
def test_every_choice_reaches_triton(served: Served, face: bytes, query: dict[str, str]) -> None:
    (wanted,), (answer,) = posted(served.gateway_url, [face], **query), posted(served.door_url, [face], **query)
    assert_same_document(answer.json(), wanted.json())
    (item,) = over_grpc(served, [face], **{name.upper(): value for name, value in query.items()})
    assert_same_document(json.loads(item["DOCUMENT"]), wanted.json())


def assert_same_document(found: Any, wanted: Any, where: str = "") -> None:
    """Equal but for the times, and for numbers that rounding may turn."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), where
        for name in wanted.keys() - {"timing_ms"}:
            assert_same_document(found[name], wanted[name], f"{where}.{name}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_same_document(one, other, f"{where}[{index}]")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=0.011), where
    else:
        assert found == wanted, where


def nobody() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_bad_photo_harms_no_other(served: Served, face: bytes) -> None:
    good, bad, again = over_grpc(served, [face, b"no photo", face])
    assert bad["ERROR"].startswith(b"not-an-image: ")
    assert [bad[name] for name in NUMBERS] == [-1] * 4
    assert good["ERROR"] == again["ERROR"] == b""
    assert 0 < good["SCORE"] == pytest.approx(again["SCORE"], abs=0.01)


def test_problems_are_the_gateway_s_own(served: Served, face: bytes) -> None:
    photos = [b"", b"no photo", face[:3000], nobody()]
    items = over_grpc(served, photos)
    for item, wanted, forwarded in zip(
        items, posted(served.gateway_url, photos), posted(served.door_url, photos), strict=True
    ):
        problem = wanted.json()
        code = problem["type"].rpartition(":")[2]
        assert item["ERROR"].decode() == f"{code}: {problem['detail']}"
        for found in (json.loads(item["DOCUMENT"]), forwarded.json()):
            assert {**found, "instance": ""} == {**problem, "instance": ""}
        assert forwarded.status_code == wanted.status_code
    (item,) = over_grpc(served, [face], SEX="neither")
    assert item["ERROR"].startswith(b"bad-parameter: `sex`")


def test_a_request_says_how_long_it_may_take(served: Served, face: bytes) -> None:
    with tritonclient.grpc.InferenceServerClient(served.stack.grpc) as client:
        # Microseconds.
        (item,) = outputs(client.infer("psl", inputs(tritonclient.grpc, [face]), timeout=1))
    assert item["ERROR"].startswith(b"deadline-exceeded: ")


async def test_photos_that_were_taken_back_are_not_scored(served: Served, face: bytes) -> None:
    before = outcomes(served)
    async with tritonclient.grpc.aio.InferenceServerClient(served.stack.grpc) as client:
        tensors = inputs(tritonclient.grpc, [face] * 8)
        calls = [asyncio.create_task(client.infer("psl", tensors)) for _ in range(12)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        # In the queue behind them: when it is answered, they are done with.
        await client.infer("psl", tensors)
    scored = outcomes(served).get("scored", 0) - before.get("scored", 0)
    assert 8 <= scored < 8 * 13 / 2


def outcomes(served: Served) -> dict[str, float]:
    """How many photos had which outcome so far, by Triton's metrics."""
    families = text_string_to_metric_families(httpx.get(served.stack.metrics, timeout=30).text)
    (family,) = (family for family in families if family.name == "facestats_psl_photos")
    return {sample.labels["outcome"]: sample.value for sample in family.samples}


@pytest.mark.parametrize(
    "mode",
    [
        ("--concurrency-range", "4"),
        ("--request-rate-range", "20"),
        ("--concurrency-range", "4", "--shared-memory", "system", "--output-shared-memory-size", "65536"),
    ],
    ids=["concurrency", "request rate", "shared memory"],
)
def test_perf_analyzer_scores_every_photo(
    served: Served, portraits: list[bytes], tmp_path: Path, mode: Sequence[str]
) -> None:
    source = tmp_path / "photos.json"
    steps = [{"IMAGE": perf_analyzer_string(photo)} for photo in portraits]
    if "--shared-memory" in mode:
        # There it makes a region for every input, those that may be left out among them.
        steps = [step | dict.fromkeys(CHOICES, perf_analyzer_string(b"")) for step in steps]
    source.write_text(json.dumps({"data": steps}))
    before = outcomes(served)
    result = run_perf_analyzer(
        [
            *("-m", "psl", "-i", "grpc", "-u", served.stack.grpc, "--input-data", str(source), *mode),
            *("--measurement-mode", "count_windows", "--measurement-request-count", "48"),
            *("--max-trials", "3", "--stability-percentage", "999"),
        ],
        timeout=240,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    after = outcomes(served)
    new = {code: count - before.get(code, 0) for code, count in after.items() if count != before.get(code, 0)}
    assert set(new) == {"scored"}
    assert new["scored"] >= PORTRAITS


def perf_analyzer_string(value: bytes) -> dict[str, Any]:
    """A string tensor in perf_analyzer's input data."""
    return {"content": {"b64": base64.b64encode(struct.pack("<I", len(value)) + value).decode()}, "shape": [1]}


def test_figures_of_the_door_are_those_of_a_gateway(served: Served, face: bytes) -> None:
    (answer,) = posted(served.door_url, [face])
    timing = answer.json()["timing_ms"]
    assert all(timing[stage] > 0 for stage in ("decode", "landmarks", "geometry", "triton", "total"))
    assert timing["total"] >= timing["landmarks"] + timing["triton"]
    text = httpx.get(f"{served.door_url}/metrics").text
    for name in ('facestats_stage_seconds_count{stage="landmarks"}', 'facestats_faces_total{found="1"}'):
        line = next(line for line in text.splitlines() if line.startswith(name))
        assert float(line.split()[-1]) > 0


def test_the_other_routes_of_the_door_are_those_of_a_gateway(served: Served, face: bytes) -> None:
    def lines(url: str) -> list[dict[str, Any]]:
        files = [("images", data) for data in (face, b"no photo", face)]
        answer = httpx.post(f"{url}/v1/score/batch", files=files, timeout=60)
        return sorted((json.loads(line) for line in answer.text.splitlines()), key=lambda line: line["index"])

    def analysis(url: str, side: bytes) -> httpx.Response:
        files = {"front_image": ("f.jpg", face, "image/jpeg"), "side_image": ("s.jpg", side, "image/jpeg")}
        return httpx.post(f"{url}/api/analyze-face", files=files, timeout=60)

    assert_same_document(lines(served.door_url), lines(served.gateway_url))
    for side in (face, nobody()):
        found, wanted = analysis(served.door_url, side), analysis(served.gateway_url, side)
        assert found.status_code == wanted.status_code
        assert_same_document(found.json(), wanted.json())
    models = [httpx.get(f"{url}/v1/model").json() for url in (served.door_url, served.gateway_url)]
    assert models[0] == models[1]
    assert httpx.get(f"{served.door_url}/readyz").json()["ready"] is True
