"""The proof of an export: each engine against PyTorch, judged by the precision's limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from facestats_export.choice import Trial
from facestats_export.drift import LIMITS, Comparison, Figures
from facestats_export.facenets.parity import LANDMARK_LIMIT, LandmarkComparison
from facestats_export.parity import BATCH_LIMITS, CALIBRATION_LIMIT, COMPANY


@dataclass(frozen=True)
class Proof:
    """What was measured.

    Attributes:
        comparisons: Each engine against PyTorch.
        batch_dependence: Largest influence of a batch's other images on a score, points.
        calibration_difference: Largest difference of an engine's SCORE from the calibration of its RAW, points.
        preprocessing_difference: Largest difference of a pixel from CLIP's own image processor's, of 255.
        decoder_difference: Largest difference of a pixel of Triton's image decoder from the gateway's, of 255; ``None``
            if Triton was not compared.
        scale: Name of the calibration on which the photos' own drift is told.
        photos_differ: Whether the photos' own drift is judged: they are embedded by trained weights, and differ.
        triton_obstacle: Why Triton was not compared; ``None`` if it was.
        attributes: Attribute head to the largest difference of a probability from scikit-learn's.
        trials: The precisions tried unasked.
        schemes: The 8-bit schemes tried; the one in use is ``scheme``.
        scheme: The 8-bit scheme in use; empty at other precisions.
        landmarks: Each engine that runs the face networks against MediaPipe's own graph.
    """

    comparisons: tuple[Comparison, ...]
    batch_dependence: float
    calibration_difference: float
    preprocessing_difference: int
    decoder_difference: int | None
    scale: str
    photos_differ: bool
    triton_obstacle: str | None
    attributes: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    schemes: Mapping[str, Comparison] = field(default_factory=dict)
    scheme: str = ""
    landmarks: tuple[LandmarkComparison, ...] = ()

    def failures(self, precision: str) -> list[str]:
        """What is past a limit of this precision, one clause each. A figure that is not a number is."""
        batch_limit = BATCH_LIMITS[precision]
        failures = [
            failure
            for item in self.comparisons
            for failure in item.failures(precision, photos_differ=self.photos_differ)
        ]
        if not self.batch_dependence <= batch_limit:
            failures.append(
                f"a score changes by {self.batch_dependence:.4f} points with its batch (limit {batch_limit})"
            )
        if not self.calibration_difference <= CALIBRATION_LIMIT:
            failures.append(
                f"SCORE is {self.calibration_difference:.4f} points off the calibration of RAW "
                f"(limit {CALIBRATION_LIMIT})"
            )
        if self.preprocessing_difference > 0:
            failures.append(f"pixels differ from CLIP's image processor's by {self.preprocessing_difference} of 255")
        if self.decoder_difference:
            failures.append(f"Triton's decoder differs from the gateway's by {self.decoder_difference} of 255")
        for landmarks in self.landmarks:
            failures += landmarks.failures()
        return failures

    def parameters(self, *, forced: bool) -> dict[str, str]:
        """The figures for the provenance, worst over the engines."""
        items = self.comparisons
        points, score = ([getattr(item, name) for item in items] for name in ("points", "score"))
        return {
            "parity_images": str(items[0].images),
            "parity_engines": ", ".join(item.engine for item in items),
            "parity_points_worst": f"{max(one.worst for one in points):.6f}",
            "parity_points_p95": f"{max(one.p95 for one in points):.6f}",
            "parity_points_mean": f"{max(one.mean for one in points):.6f}",
            "parity_score_worst": f"{max(one.worst for one in score):.6f}",
            "parity_score_mean": f"{max(one.mean for one in score):.6f}",
            "parity_embedding_cosine_min": f"{1 - max(item.cosine.worst for item in items):.7f}",
            "parity_rank_correlation": f"{min(item.rank_correlation for item in items):.6f}",
            "parity_batch_dependence": f"{self.batch_dependence:.6f}",
            "parity_scale": self.scale,
            "parity_landmarks_engines": ", ".join(item.engine for item in self.landmarks),
            "parity_landmarks_photos": str(min((item.photos for item in self.landmarks), default=0)),
            "parity_landmarks_worst": f"{max((item.worst for item in self.landmarks), default=float('nan')):.6f}",
            "parity_landmarks_mean": f"{max((item.mean for item in self.landmarks), default=float('nan')):.6f}",
            "parity_forced": str(forced).lower(),
        }


def proof_json(proof: Proof, parameters: Mapping[str, str]) -> str:
    """The report for machines."""
    facts = {name: value for name, value in parameters.items() if not name.startswith("golden_")}
    return json.dumps({"provenance": facts, **asdict(proof)}, indent=1) + "\n"


def proof_markdown(proof: Proof, parameters: Mapping[str, str]) -> str:
    """The report for people."""
    precision = parameters["precision"]
    limits = LIMITS[precision]
    judged = "judged too" if proof.photos_differ else "not judged: they are untrained, or too alike for their own scale"
    lines = [
        "# Parity report",
        "",
        f"CLIP {parameters['clip']}, regressor {parameters['regressor']}, calibration {parameters['calibration']}, "
        f"precision {precision} for {parameters['target']}, weights {parameters['weights']}. Everything is compared "
        "with PyTorch; figures are mean / 95 % / worst. *Real faces* are the reference faces, each moved by a photo's "
        f"error: points of percentile. *Photos* are the parity photos' own scores on '{proof.scale}', {judged}.",
        "",
        "| engine | photos | 1 - cosine | real faces, points | photos, points | RAW, worst | rank correlation |",
        "|---|---|---|---|---|---|---|",
        f"| limits | | {_text(limits.cosine)} | {_text(limits.points)} | | | |",
        *(_row(item) for item in proof.comparisons),
        "",
        f"- Pixels against CLIP's own image processor: {proof.preprocessing_difference} of 255 at most.",
    ]
    if proof.decoder_difference is not None:
        lines.append(f"- Triton's image decoder against the gateway's: {proof.decoder_difference} of 255 at most.")
    if proof.triton_obstacle is not None:
        lines.append(f"- Triton was not compared: {proof.triton_obstacle}.")
    lines.append(
        f"- An image alone against the same image in a batch of {COMPANY} others: "
        f"{proof.batch_dependence:.6f} points at most."
    )
    lines.append(f"- SCORE against the calibration of RAW: {proof.calibration_difference:.6f} points at most.")
    lines += [f"- Tried: {trial}." for trial in proof.trials]
    lines += scheme_lines(proof.schemes)
    if proof.scheme:
        lines.append(f"- 8 bits, used: {proof.scheme}.")
    lines += [
        f"- Attribute {name} against scikit-learn: {worst:.1e} at most." for name, worst in proof.attributes.items()
    ]
    lines += [
        f"- Face landmarks, {item.engine} against MediaPipe's graph: {item.worst:.4f} % of the face's width at worst, "
        f"{item.mean:.4f} % on average, {item.photos} photos (limit {LANDMARK_LIMIT} %)."
        for item in proof.landmarks
    ]
    if parameters["parity_forced"] == "true":
        lines.append(f"- **Published by force**: {'; '.join(proof.failures(precision))}.")
    return "\n".join(lines) + "\n"


def scheme_lines(schemes: Mapping[str, Comparison]) -> list[str]:
    """What each 8-bit scheme cost, a line each."""
    return [
        f"- 8 bits, {name}: 1 - cosine {_text(found.cosine)}, real faces {_text(found.points)} points."
        for name, found in schemes.items()
    ]


def summary_rows(proof: Proof) -> list[tuple[str, str]]:
    """Rows of the table at the end of an export."""
    rows = [
        (
            f"{item.engine} against PyTorch",
            f"{item.images} photos; 1 - cosine {_text(item.cosine)}; real faces {_text(item.points)} points "
            "(mean / 95 % / worst)",
        )
        for item in proof.comparisons
    ]
    rows += [
        (
            f"{item.engine} against MediaPipe",
            f"{item.photos} faces; landmarks off by {item.worst:.4f} % of the face's width at worst, "
            f"{item.mean:.4f} % on average",
        )
        for item in proof.landmarks
    ]
    return rows


def _row(item: Comparison) -> str:
    return (
        f"| {item.engine} | {item.images} | {_text(item.cosine)} | {_text(item.points)} | {_text(item.score)} | "
        f"{item.raw_worst:.2e} | {item.rank_correlation:.6f} |"
    )


def _text(figures: Figures) -> str:
    return " / ".join(f"{value:.2g}" for value in (figures.mean, figures.p95, figures.worst))
