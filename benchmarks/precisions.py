"""fp32, fp16 and int8 side by side: what each costs in agreement with PyTorch and gives in size and speed.

``make precisions`` writes the table into the section ``<!-- precisions -->`` of the pages given.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.exports import exported_repository, newest_model
from benchmarks.in_process import OnnxRuntime
from benchmarks.markdown import markdown_table, replace_marked
from benchmarks.measurement import spread
from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.photos import parity_files

MARK = "precisions"
PRECISIONS = ("fp32", "fp16", "int8")
_BATCH = 8


@dataclass(frozen=True)
class Precision:
    """One export.

    Attributes:
        name: fp32, fp16 or int8.
        weights: ``trained`` or ``untrained``.
        scheme: How 8 bits are used; empty otherwise.
        megabytes: Size of the image tower's graph.
        worst: Largest score difference from PyTorch over all engines, points.
        mean: Largest of the engines' mean differences, points.
        rank_correlation: Smallest of the engines', Spearman's with PyTorch.
        images: Photos it was proved on.
        images_per_second: In one process on all cores at a batch of eight.
        spread: How far the rounds lie apart, (largest - smallest) / median.
    """

    name: str
    weights: str
    scheme: str
    megabytes: float
    worst: float
    mean: float
    rank_correlation: float
    images: int
    images_per_second: float
    spread: float


def measure(names: Sequence[str], rounds: int, seconds: float) -> list[Precision]:
    """Exports what is not there yet, reads each proof and measures speed, all precisions taking turns."""
    models = {name: newest_model(exported_repository(name)) for name in names}
    batch = np.stack([clip_pixels(decode_image(data)) for data in parity_files(None)[:_BATCH]])
    cores = len(os.sched_getaffinity(0))
    sessions = {name: OnnxRuntime(model, cores, 1) for name, model in models.items()}
    speeds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, session in sessions.items():
            speeds[name].append(session.measure(batch, seconds).images_per_second)
    return [precision(name, models[name], speeds[name]) for name in names]


def precision(name: str, model: Path, speeds: Sequence[float]) -> Precision:
    """One row: the parity report beside the graph, and its speeds."""
    report = json.loads((model.parent / "parity.json").read_text())
    engines = report["comparisons"]
    return Precision(
        name=name,
        weights=report["provenance"]["weights"],
        scheme=report["scheme"],
        megabytes=model.stat().st_size / 1e6,
        worst=max(engine["score_worst"] for engine in engines),
        mean=max(engine["score_mean"] for engine in engines),
        rank_correlation=min(engine["rank_correlation"] for engine in engines),
        images=engines[0]["images"],
        images_per_second=statistics.median(speeds),
        spread=spread(speeds),
    )


def section(found: Sequence[Precision], rounds: int) -> str:
    """The table, and what it was measured on."""
    heading = ("precision", "file, MB", "worst drift, points", "mean drift", "rank correlation", "images/s", "spread")
    rows = [
        (
            item.name,
            f"{item.megabytes:.0f}",
            f"{item.worst:.4f}",
            f"{item.mean:.4f}",
            f"{item.rank_correlation:.5f}",
            f"{item.images_per_second:.1f}",
            f"{item.spread:.0%}",
        )
        for item in found
    ]
    schemes = "".join(f" {item.name}: {item.scheme}." for item in found if item.scheme)
    cores = len(os.sched_getaffinity(0))
    note = (
        f"ViT-B/32, {found[0].weights} weights, {found[0].images} photos; drift from PyTorch is the worst of ONNX "
        f"Runtime and both Triton ensembles. Images a second: one process, {cores} cores, batches of {_BATCH}, median "
        f"of {rounds} rounds in which the precisions take turns; `spread` is (largest - smallest) / median.{schemes}"
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
