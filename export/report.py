"""The proof, written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.run import ExportReport


def parity_markdown(report: ExportReport) -> str:
    """The parity report beside a model."""
    parameters = report.parameters
    lines = [
        "# Parity report",
        "",
        f"CLIP {parameters['clip']}, regressor {parameters['regressor']}, calibration {parameters['calibration']}, "
        f"precision {parameters['precision']} for {parameters['target']}.",
        "",
        "| engine | images | cosine, least | RAW, worst | SCORE, worst | SCORE, mean | rank correlation |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {item.engine} | {item.images} | {item.embedding_cosine_min:.7f} | {item.raw_worst:.2e} | "
        f"{item.score_worst:.5f} | {item.score_mean:.5f} | {item.rank_correlation:.6f} |"
        for item in report.comparisons
    ]
    lines += [
        "",
        f"An image alone against the same image in a batch: {report.batch_dependence:.6f} points at most.",
        "",
    ]
    return "\n".join(lines)
