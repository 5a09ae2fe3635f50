"""What callers see, frozen: the OpenAPI document and one full answer. ``make snapshots`` writes them anew."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facestats.holistic.backend import Holistic, HolisticState
from facestats.holistic.provenance import Provenance
from facestats.scoring.pipeline import Scorer
from facestats_gateway.app import create_app
from facestats_gateway.settings import Settings
from tests.asgi import running_app

ROOT = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parent / "snapshots"
OPENAPI, ANSWER = SNAPSHOTS / "openapi.json", SNAPSHOTS / "answer.json"

_SHOWN = 2
"""Numbers kept of a long list (landmarks, embedding)."""


class ConstantBackend:
    """The holistic half, without models: the same for every face."""

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        faces = len(pixels)
        unit = np.full((faces, 512), 512**-0.5, np.float32)
        label, probability = np.full(faces, b"yes", object), np.tile(np.array([0.25, 0.75], np.float32), (faces, 1))
        return Holistic(
            score=np.full(faces, 62.5, np.float32),
            raw=np.full(faces, 0.625, np.float32),
            embedding=unit if embedding else None,
            attributes=dict.fromkeys(attributes, (label, probability)),
        )


class Exported:
    """What an export would say of itself."""

    state = HolisticState(
        ready=True,
        reason="",
        provenance=Provenance(
            {
                "weights": "trained",
                "clip": "snapshot of a tower",
                "regressor": "sha256:5ca1e",
                "calibration": "snapshot",
                "precision": "fp32",
                "graphs": "sha256:9ra9hs",
                "preprocessing": "clip/1",
                "calibration_sha256": "sha256:ca1",
                "attributes": '[{"name": "GLASSES", "classes": ["no", "yes"]}]',
            }
        ),
    )

    def report_unavailable(self, reason: str) -> None:
        raise AssertionError(reason)


def openapi_document() -> dict[str, Any]:
    """The document of a service with default settings."""
    return create_app(Settings()).openapi()


async def full_answer() -> dict[str, Any]:
    """The answer for the example photo with all that can be asked for, long parts cut short, without times."""
    # Whichever networks this checkout has exported.
    async with running_app(degrade="none", landmarks="mediapipe") as (client, service):
        service.scorer = Scorer(service.measurer, ConstantBackend(), Exported(), service.design)
        answer = await client.post(
            "/v1/score",
            files={"image": (ROOT / "examples" / "astronaut.jpg").read_bytes()},
            params={"include": "landmarks,embedding,overlay", "faces": "all"},
        )
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    document["timing_ms"] = dict.fromkeys(document["timing_ms"], 0.0)
    for face in document["faces"]:
        for name in ("landmarks", "embedding"):
            face[name] = face[name][:_SHOWN]
        face["overlay"] = face["overlay"][:23]
    return document


def frozen(path: Path) -> Any:
    """A snapshot as it was written."""
    return json.loads(path.read_text("utf-8"))


def freeze() -> None:
    """Writes both."""
    for path, document in ((OPENAPI, openapi_document()), (ANSWER, asyncio.run(full_answer()))):
        path.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    freeze()
