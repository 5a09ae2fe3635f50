"""Which precision an export takes: the one asked for, or the fastest of this machine that passes the proof."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import onnx
from numpy.typing import NDArray

from facestats.images.imaging import decode_image
from facestats.images.preprocessing import clip_pixels
from facestats_export.drift import Comparison
from facestats_export.engines import GPU_TARGETS, Encoder, Variant, encoder
from facestats_export.fp16 import to_fp16
from facestats_export.int8 import INT8_SCHEMES, choose_int8, round_plainly, round_tower, to_int8
from facestats_export.material import Material, Step
from facestats_export.parity import OnnxGraphs
from facestats_export.photos import rounding_files

INT8_LEAD = 1.15
"""8 bits must be this many times as fast as the next precision to be tried unasked: rounding the weights takes half a
minute, and they drift more."""

_ROUNDS, _SECONDS, _BATCH = 3, 0.4, 8


@dataclass(frozen=True)
class Trial:
    """A precision that was tried unasked.

    Attributes:
        variant: It, and what computed it.
        images_per_second: In one process on all cores, batches of eight; ``None`` on a GPU, which is not timed.
        comparison: Against PyTorch; ``None`` if a faster one had passed before.
        outcome: ``taken``, ``past its limits`` or ``slower``.
    """

    variant: Variant
    images_per_second: float | None
    comparison: Comparison | None
    outcome: str

    def __str__(self) -> str:
        speed = "not timed" if self.images_per_second is None else f"{self.images_per_second:.1f} images/s"
        if self.comparison is None:
            return f"{self.variant}: {speed}, {self.outcome}"
        points = self.comparison.points
        return (
            f"{self.variant}: {speed}, real faces' points mean {points.mean:.2f}, worst {points.worst:.2f}, "
            f"{self.outcome}"
        )


@dataclass(frozen=True)
class Choice:
    """The tower as it is going to be served.

    Attributes:
        variant: Its precision, and what runs it.
        graph: ONNX bytes.
        scheme: How 8 bits are used; empty at other precisions.
        schemes: The 8-bit schemes that were tried.
        trials: The precisions that were tried; empty if one was asked for.
    """

    variant: Variant
    graph: bytes
    scheme: str = ""
    schemes: Mapping[str, Comparison] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()


def choose(candidates: Sequence[Variant], material: Material, step: Step) -> Choice:
    """The fastest candidate that passes the proof, else the last, which is the reference.

    Args:
        candidates: One, or several of which the last is the reference.
        material: What is exported.
        step: Told what begins.
    """
    if len(candidates) == 1:
        step(f"Converting to {candidates[0].precision}")
        return convert(candidates[0], material, step)
    step("Timing " + ", ".join(map(str, candidates)))
    speeds = images_per_second(candidates, material)
    trials: list[Trial] = []
    taken: Choice | None = None
    for variant in sorted(candidates, key=lambda variant: -_worth(variant, speeds)):
        if taken is not None:
            trials.append(Trial(variant, speeds.get(variant), None, "slower"))
            continue
        step(f"Trying {variant}")
        choice = convert(variant, material, step)
        answers = OnnxGraphs(choice.graph, material.head, variant).answers(material.pixels)
        comparison = material.compare(variant.engine, answers)
        passed = comparison.share_of_limits(variant.precision, photos_differ=material.photos_differ) <= 1
        if passed or variant == candidates[-1]:
            taken = choice
        trials.append(Trial(variant, speeds.get(variant), comparison, "taken" if taken else "past its limits"))
    assert taken is not None, "the last candidate is always taken"
    return Choice(taken.variant, taken.graph, taken.scheme, taken.schemes, tuple(trials))


def convert(variant: Variant, material: Material, step: Step) -> Choice:
    """The tower at a precision. bf16 is the fp32 graph: the engine rounds as it loads it."""
    if variant.precision == "int8":
        step("Rounding the weights to 8 bits")
        photos = np.stack([clip_pixels(decode_image(data)) for data in rounding_files()])

        def compare(model: onnx.ModelProto) -> Comparison:
            answers = OnnxGraphs(model.SerializeToString(), material.head).answers(material.pixels)
            return material.compare("onnxruntime", answers)

        def share(comparison: Comparison) -> float:
            return comparison.share_of_limits("int8", photos_differ=material.photos_differ)

        model, scheme, tried = choose_int8(round_tower(material.encoder, photos), compare, share)
        return Choice(variant, model.SerializeToString(deterministic=True), scheme.name, tried)
    if variant.precision == "fp16":
        return Choice(variant, to_fp16(material.encoder).SerializeToString(deterministic=True))
    return Choice(variant, material.encoder_bytes)


def images_per_second(candidates: Sequence[Variant], material: Material) -> dict[Variant, float]:
    """Speed of each candidate for this machine's processor, in turns; the others are left out."""
    batch = material.pixels[np.arange(_BATCH) % len(material.pixels)]
    encoders = {
        variant: encoder(_sketch(variant, material), variant)
        for variant in candidates
        if variant.target not in GPU_TARGETS
    }
    for encode in encoders.values():
        encode(batch)
    rounds = [{variant: _speed(encode, batch) for variant, encode in encoders.items()} for _ in range(_ROUNDS)]
    return {variant: median(speeds[variant] for speeds in rounds) for variant in encoders}


def _sketch(variant: Variant, material: Material) -> bytes:
    """A graph as fast as the one that would be served."""
    if variant.precision == "int8":
        sketch: bytes = to_int8(round_plainly(material.encoder), INT8_SCHEMES[0]).SerializeToString()
        return sketch
    return material.encoder_bytes


def _speed(encode: Encoder, batch: NDArray[np.uint8]) -> float:
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < _SECONDS:
        encode(batch)
        images += len(batch)
    return images / (time.perf_counter() - start)


def _worth(variant: Variant, speeds: Mapping[Variant, float]) -> float:
    """By which candidates are tried in turn; as they come where nothing is timed."""
    return speeds.get(variant, 0.0) / (INT8_LEAD if variant.precision == "int8" else 1)
