"""What a real Triton answers for the parity images, served from a staging repository."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2

from facestats.holistic.triton import channel_arguments
from facestats.landmarks.networks import DETECTOR, MESH
from facestats_export.answers import Answers, batches, joined
from facestats_export.engines import GPU_TARGETS
from facestats_export.errors import ExportError
from facestats_export.facenets.parity import LandmarkComparison, MediaPipeFaces
from facestats_export.preparation import prepare_repository
from facestats_export.publish import publish
from facestats_local_triton.errors import TritonError
from facestats_local_triton.server import TritonPorts, TritonServer

START_SECONDS = 180.0
_REQUEST_SECONDS = 120.0
_OUTPUTS = ("EMBEDDING", "RAW", "SCORE")
_FILES_AT_ONCE = 8


@dataclass(frozen=True)
class TritonAnswers:
    """Both ensembles' answers, how far the decoder's pixels are from ours, of 255, and the face networks' landmarks."""

    pixels_ensemble: Answers
    image_ensemble: Answers
    decoder_difference: int
    landmarks: LandmarkComparison


def triton_obstacle(target: str) -> str | None:
    """Why Triton cannot be compared here, ``None`` if it can."""
    if importlib.util.find_spec("pytriton") is None:
        return "tritonserver is not installed (extra 'triton')"
    if target in GPU_TARGETS and not Path("/dev/nvidia0").exists():
        return f"the target is {target} and this machine has no GPU"
    return None


def triton_answers(
    source: Path,
    graphs: Mapping[str, bytes],
    configs: Mapping[str, model_config_pb2.ModelConfig],
    photos: Sequence[bytes],
    pixels: NDArray[np.uint8],
    faces: MediaPipeFaces,
    served: Mapping[str, bytes] | None = None,
) -> TritonAnswers:
    """Serves the export from a temporary repository and asks it for the parity images.

    Args:
        source: The project's ``model_repository``.
        graphs: Model name to ONNX bytes.
        configs: Model name to configuration.
        photos: Encoded images.
        pixels: [N, 224, 224, 3] uint8, what the gateway makes of them.
        faces: What MediaPipe finds in the photos of the face networks' proof.
        served: Model name to what Triton runs where that is not the graph.

    Raises:
        ExportError: Triton does not start with these models, or fails on an image.
    """
    with tempfile.TemporaryDirectory(prefix="facestats-parity-") as folder:
        repository = Path(folder)
        prepare_repository(repository, source)
        publish(repository, graphs, configs, {}, served)
        ports = TritonPorts.free()
        try:
            with TritonServer(repository, ports, poll_seconds=None, restart=False) as server:
                server.wait_ready(START_SECONDS)
                return _ask(f"127.0.0.1:{ports.grpc}", photos, pixels, faces)
        except TritonError as error:
            raise ExportError(f"Triton does not serve this export: {error}") from error
        except tritonclient.grpc.InferenceServerException as error:
            raise ExportError(f"Triton fails on a parity image: {error.message()}") from error


def _ask(address: str, photos: Sequence[bytes], pixels: NDArray[np.uint8], faces: MediaPipeFaces) -> TritonAnswers:
    with tritonclient.grpc.InferenceServerClient(address, channel_args=channel_arguments()) as client:
        by_pixels = [_answers(client, "attractiveness", "PIXELS", batch) for batch in batches(pixels)]
        by_image, decoded = [], []
        for start in range(0, len(photos), _FILES_AT_ONCE):
            files = np.array([[data] for data in photos[start : start + _FILES_AT_ONCE]], dtype=np.object_)
            by_image.append(_answers(client, "attractiveness_image", "IMAGE", files))
            decoded.append(_infer(client, "image_decoder", "IMAGE", files, ["PIXELS"])["PIXELS"])
        landmarks = faces.compare(_ServedNetworks(client))
    difference = int(np.abs(np.concatenate(decoded).astype(int) - pixels).max())
    return TritonAnswers(joined(by_pixels), joined(by_image), difference, landmarks)


class _ServedNetworks:
    """The face networks where Triton runs them, a GPU's where they were exported for one."""

    name = "triton"

    def __init__(self, client: tritonclient.grpc.InferenceServerClient) -> None:
        self._client = client

    def detector(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = _infer(self._client, DETECTOR, "PIXELS", pictures, ["BOXES", "LOGITS"])
        return found["BOXES"], found["LOGITS"]

    def mesh(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = _infer(self._client, MESH, "PIXELS", pictures, ["LANDMARKS", "FACE_LOGIT"])
        return found["LANDMARKS"], found["FACE_LOGIT"]


def _answers(client: tritonclient.grpc.InferenceServerClient, model: str, name: str, batch: NDArray[Any]) -> Answers:
    outputs = _infer(client, model, name, batch, _OUTPUTS)
    return Answers(outputs["EMBEDDING"], outputs["RAW"][:, 0], outputs["SCORE"][:, 0])


def _infer(
    client: tritonclient.grpc.InferenceServerClient,
    model: str,
    name: str,
    batch: NDArray[Any],
    outputs: Sequence[str],
) -> dict[str, NDArray[Any]]:
    tensor = tritonclient.grpc.InferInput(name, list(batch.shape), "BYTES" if batch.dtype == np.object_ else "UINT8")
    tensor.set_data_from_numpy(batch)
    requested = [tritonclient.grpc.InferRequestedOutput(output) for output in outputs]
    answer = client.infer(model, [tensor], outputs=requested, client_timeout=_REQUEST_SECONDS)
    return {output: answer.as_numpy(output) for output in outputs}
