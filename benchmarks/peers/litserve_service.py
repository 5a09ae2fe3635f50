"""The same job in LitServe, as a competent user would write it; run by ``benchmarks.peers.litserve_peer``.

A batch's photos are decoded and their meshes run side by side in threads (MediaPipe releases the GIL), then CLIP embeds
them together in PyTorch. It leaves out what would only cost it time: the 25 metrics, the aligned crop, the calibration,
limits, metrics and problem documents.
"""

import argparse
import base64
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import litserve
import numpy as np
import torch
from mediapipe.python.solutions.face_mesh import FaceMesh
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

CORES = len(os.sched_getaffinity(0))


class FaceScore(litserve.LitAPI):
    """A photo in, a number out.

    Args:
        bf16: Whether CLIP runs under autocast to bfloat16.
        mesh_runs: Face Mesh runs a photo: 1 as the replaced backend, 3 as ``capture=stable``.
        batch: Photos of one batch.
    """

    def __init__(self, bf16: bool, mesh_runs: int, batch: int) -> None:
        super().__init__(max_batch_size=batch, batch_timeout=0.01)
        self._bf16, self._mesh_runs = bf16, mesh_runs

    def setup(self, device: str) -> None:
        """Loads CLIP's image tower and the regressor, with random weights, which take the same time."""
        torch.set_num_threads(CORES)
        self._threads, self._local = ThreadPoolExecutor(CORES), threading.local()
        self._clip = CLIPVisionModelWithProjection(CLIPVisionConfig(patch_size=32, projection_dim=512)).eval()
        self._regressor = torch.nn.Sequential(torch.nn.Linear(512, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))
        self._mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
        self._std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)

    # LitServe takes an annotation for the body's schema; without one it hands over the parsed JSON.
    def decode_request(self, request) -> bytes:  # type: ignore[no-untyped-def]
        """The encoded photo, base64 in JSON as LitServe's own examples send pictures."""
        return base64.b64decode(request["image"])

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Photos stay encoded until the batch is measured."""
        return inputs

    def predict(self, photos: list[bytes]) -> list[float]:
        """Scores a batch."""
        pixels = torch.from_numpy(np.stack(list(self._threads.map(self._measure, photos)))).permute(0, 3, 1, 2)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            embedding = self._clip((pixels.float() / 255 - self._mean) / self._std).image_embeds
            scores = self._regressor(embedding / embedding.norm(dim=-1, keepdim=True))
        return [float(score) for score in scores[:, 0]]

    def unbatch(self, output: list[float]) -> list[float]:
        """One number a photo."""
        return output

    def encode_response(self, output: float) -> dict[str, float]:
        """The answer."""
        return {"score": output}

    def _measure(self, data: bytes) -> Any:
        """Decodes a photo, runs the mesh and returns CLIP's [224, 224, 3] uint8 pixels."""
        mesh = getattr(self._local, "mesh", None)
        if mesh is None:
            mesh = self._local.mesh = FaceMesh(static_image_mode=True, refine_landmarks=True)
        image = Image.open(io.BytesIO(data)).convert("RGB")
        rgb = np.asarray(image)
        for _ in range(self._mesh_runs):
            mesh.process(rgb)
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.resize((224, 224), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
        return np.asarray(square)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--mesh-runs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16)
    given = parser.parse_args()
    server = litserve.LitServer(FaceScore(given.bf16, given.mesh_runs, given.batch), accelerator="cpu", timeout=60)
    server.run(host="127.0.0.1", port=given.port, log_level="warning", generate_client_file=False)
