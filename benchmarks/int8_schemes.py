"""What each way to store CLIP in 8 bits costs, on photos of one's own: the table of docs/export.md.

Beside the schemes an export chooses from it measures ONNX Runtime's own quantisers, and says of each whether a score
would depend on the images served with it. Needs a snapshot of CLIP (``--weights``) whose embeddings mean something.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from rich.console import Console
from rich.progress import track

from benchmarks.in_process import time_calls
from benchmarks.markdown import markdown_table, replace_marked
from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.answers import Answers
from facestats_export.calibration import Calibration, measure_calibration
from facestats_export.clip import Clip, load_clip
from facestats_export.drift import Comparison, FaceScale, compare
from facestats_export.graph import clip_module, export_clip, regressor_graph
from facestats_export.int8 import INT8_SCHEMES, round_tower, to_int8
from facestats_export.parity import BATCH_LIMITS, OnnxGraphs, batch_dependence, torch_answers
from facestats_export.photos import parity_files, rounding_files
from facestats_export.sources import find_regressor
from facestats_export.tower import ServedTower

MARK = "int8 schemes"
"""Names the page's section."""

CALIBRATION_PHOTOS = 16
"""How many photos the static quantisers see."""

OUTLIER_CHANNELS, OUTLIER_SIZE = 8, 30.0
"""Channels that ``with_outliers`` makes larger, and how much."""

POINTS = ("real faces, points: mean", "95 %", "worst")
"""Headings of a comparison's points."""

_BATCH = 8


@dataclass(frozen=True)
class Cost:
    """One scheme.

    Attributes:
        megabytes: Size of the graph.
        comparison: With PyTorch.
        dependence: Largest change of a score with the rest of its batch, points.
        images_per_second: In this process at a batch of eight.
    """

    megabytes: float
    comparison: Comparison
    dependence: float
    images_per_second: float


def with_outliers(clip: Clip) -> Clip:
    """The same function with a few large channels before each linear layer, as trained transformers have them.

    A layer norm's channel is made larger and the weights that read it smaller, so that fp32 computes what it did
    (Xiao et al., SmoothQuant, 2023, use the same equivalence the other way round).
    """
    import torch

    generator = np.random.default_rng(0)
    with torch.no_grad():
        for layer in clip.model.vision_model.encoder.layers:
            attention = layer.self_attn
            readers = (
                (layer.layer_norm1, (attention.q_proj, attention.k_proj, attention.v_proj)),
                (layer.layer_norm2, (layer.mlp.fc1,)),
            )
            for norm, linears in readers:
                channels = torch.from_numpy(generator.choice(len(norm.weight), OUTLIER_CHANNELS, replace=False))
                norm.weight[channels] *= OUTLIER_SIZE
                norm.bias[channels] *= OUTLIER_SIZE
                for linear in linears:
                    linear.weight[:, channels] /= OUTLIER_SIZE
    return clip


class _Photos(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._batches: Iterator[dict[str, Any]] = iter({"PIXELS": image[np.newaxis]} for image in pixels)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)


def graphs(fp32: onnx.ModelProto, pixels: NDArray[np.uint8], folder: Path) -> dict[str, Callable[[], bytes]]:
    """Scheme to a function that makes its graph.

    Args:
        fp32: The graph to quantise.
        pixels: [N, 224, 224, 3] uint8; the static quantisers see the first ``CALIBRATION_PHOTOS``.
        folder: For files the quantisers want.
    """
    source, target = folder / "fp32.onnx", folder / "int8.onnx"
    onnx.save(fp32, str(source))

    def dynamic() -> bytes:
        quantize_dynamic(source, target, per_channel=True, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8)
        return target.read_bytes()

    def static(method: CalibrationMethod, options: Mapping[str, Any]) -> Callable[[], bytes]:
        def quantise() -> bytes:
            quantize_static(
                source,
                target,
                _Photos(pixels[:CALIBRATION_PHOTOS]),
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=method,
                extra_options={"MatMulConstBOnly": True} | dict(options),
            )
            return target.read_bytes()

        return quantise

    tower = round_tower(fp32, np.stack([clip_pixels(decode_image(data)) for data in rounding_files()]))

    def ours(index: int) -> Callable[[], bytes]:
        return lambda: to_int8(tower, INT8_SCHEMES[index]).SerializeToString(deterministic=True)

    return {
        "fp32": lambda: fp32.SerializeToString(deterministic=True),
        **{scheme.name: ours(index) for index, scheme in enumerate(INT8_SCHEMES)},
        "ONNX Runtime static, smallest to largest": static(CalibrationMethod.MinMax, {}),
        "ONNX Runtime static, 99.99th percentile": static(
            CalibrationMethod.Percentile, {"CalibPercentile": 99.99, "CalibStridedMinMax": None}
        ),
        "ONNX Runtime dynamic": dynamic,
    }


def cost(
    graph: bytes, head: bytes, pixels: NDArray[np.uint8], reference: Answers, scale: Calibration, faces: FaceScale
) -> Cost:
    """Measures one graph but for its speed, which is compared over rounds."""
    session = OnnxGraphs(graph, head)
    return Cost(
        megabytes=len(graph) / 1e6,
        comparison=compare("onnxruntime", reference, session.answers(pixels).on(scale), faces),
        dependence=batch_dependence(session, pixels, scale),
        images_per_second=0.0,
    )


def images_per_second(
    made: Mapping[str, bytes], head: bytes, batch: NDArray[np.uint8], rounds: int
) -> dict[str, float]:
    """Speed of each graph at this batch, the median of rounds in which all take turns."""
    sessions = {name: OnnxGraphs(graph, head) for name, graph in made.items()}
    found: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, session in sessions.items():
            found[name].append(time_calls(lambda run=session.run: run(batch), len(batch), 1.0).images_per_second)  # type: ignore[misc]
    return {name: statistics.median(values) for name, values in found.items()}


def table(costs: Mapping[str, Cost]) -> str:
    """The page's table."""
    heading = ("scheme", "MB", "1 - cosine, worst", *POINTS, "passes", "with its batch", "images/s")
    limit = BATCH_LIMITS["int8"]
    rows = [
        (
            name,
            f"{item.megabytes:.0f}",
            f"{item.comparison.cosine.worst:.1e}",
            *(f"{points:.2f}" for points in astuple(item.comparison.points)),
            "yes" if item.comparison.share_of_limits("int8", photos_differ=False) <= 1 else "**no**",
            f"{item.dependence:.3f}" + ("" if item.dependence <= limit else ", refused"),
            f"{item.images_per_second:.1f}",
        )
        for name, item in costs.items()
    ]
    return markdown_table([heading, *rows])


def main() -> None:
    """Measures and prints the table, or writes it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, help="snapshot of CLIP")
    parser.add_argument("--regressor", default="auto", help="its regressor")
    parser.add_argument("--images", type=Path, help="folder of photos (default: the export's parity images)")
    parser.add_argument("--outliers", action="store_true", help="give the tower outliers without changing what it is")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", type=Path, help="write the table between this page's marks")
    parser.add_argument("--mark", default=MARK, help="name of the section")
    arguments = parser.parse_args()
    console = Console(markup=False, stderr=True)
    clip = load_clip(arguments.weights, console.print)
    clip = with_outliers(clip) if arguments.outliers else clip
    regressor = find_regressor(arguments.regressor, Path("weights"), console.print)
    pixels = np.stack([clip_pixels(decode_image(data)) for data in parity_files(arguments.images)])
    module = clip_module(clip)
    embedding, raw = torch_answers(module, regressor, pixels)
    scale = measure_calibration("photos", "", "the photos", raw)
    reference, faces = Answers(embedding, raw, scale.score(raw)), FaceScale(regressor)
    head = regressor_graph(regressor.layers, scale).SerializeToString(deterministic=True)
    costs, made = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in track(graphs(export_clip(ServedTower(clip)), pixels, Path(folder)).items(), console=console):
            made[name] = make()
            costs[name] = cost(made[name], head, pixels, reference, scale, faces)
    speeds = images_per_second(made, head, pixels[np.arange(_BATCH) % len(pixels)], arguments.rounds)
    text = table({name: replace(item, images_per_second=speeds[name]) for name, item in costs.items()})
    weights = "trained" if clip.trained and regressor.trained else "untrained"
    said = f"{len(pixels)} photos, {weights} weights; real faces' percentiles change by their errors:\n\n{text}"
    print(said)
    if arguments.page is not None:
        replace_marked(arguments.page, arguments.mark, said)


if __name__ == "__main__":
    main()
