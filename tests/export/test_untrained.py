"""The default export without weights: ViT-B/32 in Triton is transformers' own pipeline, whatever its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from facestats_export.calibration import measure_calibration
from facestats_export.clip import UNTRAINED_SEED
from facestats_export.parity import TELLING_SPREAD
from facestats_export.regressor import untrained_regressor
from facestats_local_triton.server import TritonPorts
from tests.export.spread_tower import parity_pixels
from tests.local_triton.triton_client import infer
from tests.stack import Stack

pytestmark = pytest.mark.integration


def test_triton_agrees_with_transformers_on_the_example_photo(stack: Stack, example_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        clip = CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=512)).train(False)
    processor = CLIPImageProcessorPil()

    def embeddings(images: list[Image.Image]) -> np.ndarray:
        with torch.no_grad():
            found = clip(**processor(images, return_tensors="pt")).image_embeds
            return np.asarray(found / found.norm(dim=-1, keepdim=True))

    example = Image.open(example_path).convert("RGB")
    # An untrained export's scale is that of its own parity images, of which the example is the first.
    pixels = [Image.fromarray(image) for image in parity_pixels()]
    raw = untrained_regressor().predict(np.concatenate([embeddings(pixels[i : i + 8]) for i in range(0, 32, 8)]))
    calibration = measure_calibration("untrained", "", "a test", raw)
    assert np.ptp(calibration.score(raw)) > TELLING_SPREAD
    (embedding,) = embeddings([example])
    expected = calibration.score(untrained_regressor().predict(embedding[np.newaxis]))[0]
    assert 0 < expected < 100
    ports = TritonPorts(grpc=stack.grpc_port, http=stack.http_port, metrics=stack.metrics_port)
    answer = infer(ports, "attractiveness_image", {"IMAGE": np.array([[example_path.read_bytes()]], object)})
    assert float(answer["EMBEDDING"][0] @ embedding) >= 0.9999
    assert float(answer["SCORE"][0, 0]) == pytest.approx(expected, abs=0.1)
