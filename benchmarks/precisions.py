"""The precisions side by side: what each costs in agreement with PyTorch and gives in size and speed.

``make precisions`` writes the table into the section ``<!-- precisions -->`` of the pages given.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.exports import exported_repository, newest_model
from benchmarks.in_process import time_calls
from benchmarks.markdown import markdown_table, replace_marked
from benchmarks.measurement import spread
from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.engines import PRECISIONS, Variant, encoder
from facestats_export.photos import parity_files

MARK = "precisions"
POINTS = ("real faces, points: mean", "95 %", "worst")
_BATCH = 8


@dataclass(frozen=True)
class Precision:
    """One export.

    Attributes:
        name: One of ``PRECISIONS``.
        weights: ``trained`` or ``untrained``.
        engine: What computes it.
        scheme: How 8 bits are used; empty otherwise.
        megabytes: Size of the image tower's graph.
        cosine: Largest 1 - cosine of an embedding and PyTorch's, over all engines.
        points: Mean, 95th percentile and largest change of real faces' percentiles, the worst engine's.
        images: Photos it was proved on.
        images_per_second: In one process on all cores at a batch of eight.
        spread: How far the rounds lie apart, (largest - smallest) / median.
    """

    name: str
    weights: str
    engine: str
    scheme: str
    megabytes: float
    cosine: float
    points: tuple[float, float, float]
    images: int
    images_per_second: float
    spread: float


def measure(names: Sequence[str], rounds: int, seconds: float) -> list[Precision]:
    """Exports what is not there yet, reads each proof and measures speed, all precisions taking turns."""
    models = {name: newest_model(exported_repository(name)) for name in names}
    reports = {name: json.loads((model.parent / "parity.json").read_text()) for name, model in models.items()}
    batch = np.stack([clip_pixels(decode_image(data)) for data in parity_files(None)[:_BATCH]])
    variants = {name: Variant(name, reports[name]["provenance"]["target"]) for name in names}
    encoders = {name: encoder(str(models[name]), variants[name]) for name in names}
    speeds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, encode in encoders.items():
            speeds[name].append(time_calls(partial(encode, batch), len(batch), seconds).images_per_second)
    return [precision(name, models[name], reports[name], speeds[name]) for name in names]


def precision(name: str, model: Path, report: Mapping[str, Any], speeds: Sequence[float]) -> Precision:
    """One row: the parity report beside the graph, and its speeds."""
    engines = report["comparisons"]
    worst = max(engines, key=lambda engine: engine["points"]["worst"])
    return Precision(
        name=name,
        weights=report["provenance"]["weights"],
        engine=engines[0]["engine"],
        scheme=report["scheme"],
        megabytes=model.stat().st_size / 1e6,
        cosine=max(engine["cosine"]["worst"] for engine in engines),
        points=(worst["points"]["mean"], worst["points"]["p95"], worst["points"]["worst"]),
        images=engines[0]["images"],
        images_per_second=statistics.median(speeds),
        spread=spread(speeds),
    )


def section(found: Sequence[Precision], rounds: int) -> str:
    """The table, and what it was measured on."""
    heading = ("precision", "computed by", "file, MB", "1 - cosine, worst", *POINTS, "images/s", "spread")
    rows = [
        (
            item.name,
            item.engine,
            f"{item.megabytes:.0f}",
            f"{item.cosine:.0e}",
            *(f"{points:.3f}" for points in item.points),
            f"{item.images_per_second:.1f}",
            f"{item.spread:.0%}",
        )
        for item in found
    ]
    schemes = "".join(f" {item.name}: {item.scheme}." for item in found if item.scheme)
    cores = len(os.sched_getaffinity(0))
    note = (
        f"ViT-B/32, **{found[0].weights}** weights, {found[0].images} photos: how far embeddings are from PyTorch's, "
        "and what such errors change the percentiles of 700 real faces by; the worst of the engine in process and both "
        f"Triton ensembles. Images a second: one process, {cores} cores, batches of {_BATCH}, median of {rounds} "
        f"rounds in which the precisions take turns; `spread` is (largest - smallest) / median.{schemes}"
    )
    return f"{markdown_table([heading, *rows])}\n\n{note}"


def main() -> None:
    """Measures, prints, and writes the pages given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, action="append", default=[], help="page to write the table into")
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    text = section(measure(arguments.precisions, arguments.rounds, arguments.seconds), arguments.rounds)
    print(text)
    for page in arguments.page:
        replace_marked(page, MARK, text)


if __name__ == "__main__":
    main()
