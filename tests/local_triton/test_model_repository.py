"""The tracked model repository on the container-free Triton, with tiny graphs in place of CLIP and the regressor."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc
from google.protobuf import text_format
from numpy.typing import NDArray
from PIL import Image
from tritonclient.grpc import model_config_pb2

from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_local_triton.server import TritonPorts, TritonServer
from tests.local_triton.tiny_models import tracked_repository
from tests.local_triton.triton_client import infer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def ports(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonPorts]:
    repository = tracked_repository(root / "model_repository", tmp_path_factory.mktemp("models"))
    with TritonServer(repository, TritonPorts.free()) as server:
        server.wait_ready(60)
        yield server.ports


def images(*files: bytes) -> dict[str, NDArray[Any]]:
    return {"IMAGE": np.array([[file] for file in files], dtype=np.object_)}


def picture(colour: tuple[int, int, int], encoding: str, size: tuple[int, int] = (300, 260)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, encoding)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        (
            "attractiveness",
            {"PIXELS": ("UINT8", [-1, 224, 224, 3])},
            {"SCORE": ("FP32", [-1, 1]), "RAW": ("FP32", [-1, 1]), "EMBEDDING": ("FP32", [-1, 512])},
        ),
        (
            "attractiveness_image",
            {"IMAGE": ("BYTES", [-1, 1])},
            {
                "SCORE": ("FP32", [-1, 1]),
                "RAW": ("FP32", [-1, 1]),
                "EMBEDDING": ("FP32", [-1, 512]),
                "ERROR": ("BYTES", [-1, 1]),
            },
        ),
    ],
)
def test_tensors_are_the_public_ones(
    model: str, inputs: dict[str, Any], outputs: dict[str, Any], ports: TritonPorts
) -> None:
    metadata = httpx.get(f"http://127.0.0.1:{ports.http}/v2/models/{model}").json()
    assert {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in metadata["inputs"]} == inputs
    assert {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in metadata["outputs"]} == outputs


def test_models_were_warmed_up_before_any_request(ports: TritonPorts) -> None:
    for model in ("clip_image_encoder", "attractiveness_regressor", "image_decoder"):
        config = httpx.get(f"http://127.0.0.1:{ports.http}/v2/models/{model}/config").json()
        assert config["model_warmup"]
        assert config["dynamic_batching"]


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_decoder_gives_the_gateway_s_pixels(encoding: str, ports: TritonPorts, example_path: Path) -> None:
    for file in (picture((200, 90, 40), encoding), example_path.read_bytes()):
        answer = infer(ports, "image_decoder", images(file))
        assert answer["ERROR"][0, 0] == b""
        np.testing.assert_array_equal(answer["PIXELS"][0], clip_pixels(decode_image(file)))


def test_bad_images_fail_alone(ports: TritonPorts, example_path: Path) -> None:
    good = example_path.read_bytes()
    files = [good, b"not an image", picture((10, 200, 30), "PNG"), good[:3000], b""]
    together = infer(ports, "attractiveness_image", images(*files))
    failed = [False, True, False, True, True]
    for output in ("SCORE", "RAW", "EMBEDDING"):
        np.testing.assert_array_equal((together[output] == -1).all(axis=1), failed)
        np.testing.assert_array_equal((together[output] == -1).any(axis=1), failed)
    reasons = [error.partition(b":")[0].decode() for error in together["ERROR"][:, 0]]
    assert reasons == ["", "not-an-image", "", "truncated-image", "empty-body"]
    assert together["SCORE"][0, 0] != together["SCORE"][2, 0]
    for index in (0, 2):
        alone = infer(ports, "attractiveness_image", images(files[index]))
        np.testing.assert_allclose(together["SCORE"][index], alone["SCORE"][0], rtol=1e-5)


def test_json_answers_can_be_read_beside_a_bad_image(ports: TritonPorts, example_path: Path) -> None:
    files = [example_path.read_bytes(), b"not an image"]
    binary = b"".join(len(file).to_bytes(4, "little") + file for file in files)
    tensor = {"name": "IMAGE", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(binary)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    answer = httpx.post(
        f"http://127.0.0.1:{ports.http}/v2/models/attractiveness_image/infer",
        content=head + binary,
        headers={"Inference-Header-Content-Length": str(len(head))},
    )

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    outputs = {output["name"]: output["data"] for output in json.loads(answer.text, parse_constant=refuse)["outputs"]}
    assert [bool(error) for error in outputs["ERROR"]] == [False, True]
    assert (outputs["SCORE"][0] == -1, outputs["SCORE"][1]) == (False, -1)
    assert outputs["EMBEDDING"][512:] == [-1] * 512


def test_a_fault_of_the_decoder_is_the_item_s_own(root: Path, tmp_path: Path, example_path: Path) -> None:
    repository = tracked_repository(root / "model_repository", tmp_path)
    model = repository / "image_decoder" / "1" / "model.py"
    model.write_text(
        model.read_text()
        + "\n\nright = clip_pixels\n\ndef clip_pixels(rgb):\n"
        + "    if rgb.shape[1] == 300:\n        raise LookupError('unforeseen')\n    return right(rgb)\n"
    )
    with TritonServer(repository, TritonPorts.free()) as server:
        server.wait_ready(60)
        files = [example_path.read_bytes(), picture((1, 2, 3), "PNG"), example_path.read_bytes()]
        answer = infer(server.ports, "attractiveness_image", images(*files))
    reasons = [error.partition(b":")[0].decode() for error in answer["ERROR"][:, 0]]
    assert reasons == ["", "internal-error", ""]
    assert answer["SCORE"][1, 0] == -1
    assert answer["SCORE"][0, 0] == answer["SCORE"][2, 0] != -1


def test_the_decoder_has_the_gateway_s_limits(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTATS_MAX_IMAGE_PIXELS", "70000")
    monkeypatch.setenv("FACESTATS_MIN_IMAGE_SIDE", "280")
    repository = tracked_repository(root / "model_repository", tmp_path)
    with TritonServer(repository, TritonPorts.free()) as server:
        server.wait_ready(60)
        answer = infer(
            server.ports, "image_decoder", images(picture((9, 9, 9), "PNG"), picture((9, 9, 9), "PNG", (200, 300)))
        )
    reasons = [error.partition(b":")[0].decode() for error in answer["ERROR"][:, 0]]
    assert reasons == ["too-many-pixels", "too-small"]


@pytest.mark.parametrize("outputs", [["SCORE"], ["ERROR"], ["EMBEDDING"], ["RAW", "ERROR"]])
def test_any_subset_of_the_outputs_may_be_asked_for(outputs: list[str], ports: TritonPorts, example_path: Path) -> None:
    requested = [tritonclient.grpc.InferRequestedOutput(name) for name in outputs]
    answer = infer(ports, "attractiveness_image", images(example_path.read_bytes()), outputs=requested)
    assert sorted(answer) == sorted(outputs)


def test_no_model_has_a_queue_policy(root: Path) -> None:
    """With one Triton 2.51 may leave a request in the queue of an idle model: half a second, or for good."""
    paths = [path for path in (root / "model_repository").rglob("*.pbtxt") if not path.name.startswith("exported")]
    assert len(paths) >= 8
    for path in paths:
        config = model_config_pb2.ModelConfig()
        text_format.Parse(path.read_text(), config)
        assert not config.dynamic_batching.HasField("default_queue_policy"), path
        assert not config.dynamic_batching.priority_levels, path
