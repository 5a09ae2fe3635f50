"""FaceStats' score without a line of this project: transformers, torch, numpy, the checkpoint and its quantiles.

    python tests/export/independent_score.py --clip SNAPSHOT --regressor FILE.pt --quantiles FILE.json PHOTO...

Prints one JSON object a photo: its embedding, raw output and score, for ``crop=full``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil


def regressor(path: str, embedding: torch.Tensor) -> torch.Tensor:
    """The published networks: linear layers with ReLU between them."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    names = sorted((key[:-7] for key in state if key.endswith(".weight")), key=lambda name: int(name.split(".")[-1]))
    flow = embedding
    for index, name in enumerate(names):
        flow = torch.nn.functional.linear(flow, state[f"{name}.weight"], state[f"{name}.bias"])
        flow = torch.relu(flow) if index < len(names) - 1 else flow
    return flow


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clip", required=True)
    parser.add_argument("--regressor", required=True)
    parser.add_argument("--quantiles", required=True)
    parser.add_argument("photos", nargs="+")
    arguments = parser.parse_args()
    quantiles = json.loads(Path(arguments.quantiles).read_text())["quantiles"]
    clip = CLIPVisionModelWithProjection.from_pretrained(arguments.clip).train(False)
    processor = CLIPImageProcessorPil()
    for path in arguments.photos:
        pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt")
        with torch.no_grad():
            embedding = clip(**pixels).image_embeds
            embedding = embedding / embedding.norm(dim=-1, keepdim=True)
            raw = regressor(arguments.regressor, embedding).item()
        score = float(np.interp(raw, quantiles, np.linspace(0, 100, len(quantiles))))
        print(json.dumps({"photo": path, "embedding": embedding[0].tolist(), "raw": raw, "score": score}))


if __name__ == "__main__":
    main()
