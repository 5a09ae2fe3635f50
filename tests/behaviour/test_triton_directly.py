"""Clients that talk to Triton themselves: gRPC, HTTP (JSON and binary), perf_analyzer."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from facestats.images.preprocessing import clip_pixels
from facestats_local_triton.perf_analyzer import run_perf_analyzer
from tests.stack import Stack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pixels(photo: np.ndarray) -> np.ndarray:
    return clip_pixels(photo)[np.newaxis]


def pixels_over_grpc(stack: Stack, pixels: np.ndarray) -> dict[str, np.ndarray]:
    client = tritonclient.grpc.InferenceServerClient(stack.grpc)
    tensor = tritonclient.grpc.InferInput("PIXELS", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels)
    answer = client.infer("attractiveness", [tensor])
    return {name: answer.as_numpy(name) for name in ("SCORE", "RAW", "EMBEDDING")}


def image_over_grpc(stack: Stack, images: list[bytes]) -> dict[str, np.ndarray]:
    client = tritonclient.grpc.InferenceServerClient(stack.grpc)
    tensor = tritonclient.grpc.InferInput("IMAGE", [len(images), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[image] for image in images], dtype=object))
    answer = client.infer("attractiveness_image", [tensor])
    return {name: answer.as_numpy(name) for name in ("SCORE", "RAW", "EMBEDDING", "ERROR")}


def test_grpc_answers_the_contract_s_tensors(stack: Stack, pixels: np.ndarray) -> None:
    answer = pixels_over_grpc(stack, pixels)
    assert {name: (value.shape, value.dtype) for name, value in answer.items()} == {
        "SCORE": ((1, 1), np.float32),
        "RAW": ((1, 1), np.float32),
        "EMBEDDING": ((1, 512), np.float32),
    }
    assert 0 <= answer["SCORE"][0, 0] <= 100
    assert np.linalg.norm(answer["EMBEDDING"][0]) == pytest.approx(1.0, abs=1e-5)


def test_http_json_and_binary_agree_with_grpc(stack: Stack, pixels: np.ndarray) -> None:
    expected = pixels_over_grpc(stack, pixels)["SCORE"][0, 0]
    body = {
        "inputs": [
            {"name": "PIXELS", "shape": list(pixels.shape), "datatype": "UINT8", "data": pixels.ravel().tolist()}
        ],
        "outputs": [{"name": "SCORE"}],
    }
    answer = httpx.post(f"http://{stack.http}/v2/models/attractiveness/infer", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["data"][0] == pytest.approx(expected, abs=1e-4)

    client = tritonclient.http.InferenceServerClient(stack.http)
    tensor = tritonclient.http.InferInput("PIXELS", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=True)
    binary = client.infer("attractiveness", [tensor]).as_numpy("SCORE")
    assert binary[0, 0] == pytest.approx(expected, abs=1e-4)


def test_image_ensemble_decodes_as_the_gateway_does(stack: Stack, pixels: np.ndarray, example_path: Path) -> None:
    from_pixels = pixels_over_grpc(stack, pixels)
    from_image = image_over_grpc(stack, [example_path.read_bytes()])
    assert from_image["ERROR"][0, 0] == b""
    np.testing.assert_allclose(from_image["EMBEDDING"], from_pixels["EMBEDDING"], atol=1e-5)
    np.testing.assert_allclose(from_image["SCORE"], from_pixels["SCORE"], atol=1e-3)


def test_a_corrupt_image_fails_alone(stack: Stack, example_path: Path) -> None:
    good = example_path.read_bytes()
    answer = image_over_grpc(stack, [good, b"not an image", good, good[:3000]])
    np.testing.assert_array_equal(answer["SCORE"][:, 0] == -1, [False, True, False, True])
    assert [bool(reason) for reason in answer["ERROR"][:, 0]] == [False, True, False, True]
    np.testing.assert_allclose(answer["SCORE"][0], answer["SCORE"][2], atol=1e-3)


@pytest.mark.parametrize("model", ["attractiveness", "attractiveness_image"])
def test_perf_analyzer_runs(stack: Stack, model: str, tmp_path: Path, example_path: Path, pixels: np.ndarray) -> None:
    name, data = ("PIXELS", pixels.tobytes()) if model == "attractiveness" else ("IMAGE", example_path.read_bytes())
    import base64
    import json

    value = {"content": {"b64": base64.b64encode(data).decode()}, "shape": [224, 224, 3] if name == "PIXELS" else [1]}
    if name == "IMAGE":
        value = {"b64": base64.b64encode(len(data).to_bytes(4, "little") + data).decode()}
    else:
        value = {"b64": value["content"]["b64"]}  # type: ignore[index]
    source = tmp_path / "input.json"
    source.write_text(json.dumps({"data": [{name: value}]}))
    result = run_perf_analyzer(
        [
            *("-m", model, "-i", "grpc", "-u", stack.grpc, "--input-data", str(source)),
            *("--concurrency-range", "2", "--measurement-mode", "count_windows", "--measurement-request-count", "20"),
            *("--max-trials", "4", "--stability-percentage", "999", "-f", str(tmp_path / "report.csv")),
        ]
    )
    assert result.returncode == 0, result.stdout + result.stderr
    header, row = (tmp_path / "report.csv").read_text().splitlines()[:2]
    throughput = float(row.split(",")[header.split(",").index("Inferences/Second")])
    assert throughput > 0
