"""Throughput against latency: what waiting costs as the arrival rate nears what the machine can do."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.report import Report

_AT_SHARE = re.compile(r"gateway (?P<precision>\w+) stable at \d+%")
_AT_CONCURRENCY = re.compile(r"triton (?P<precision>\w+) grpc PIXELS concurrency \d+")


def plot_latency(report: Report, path: Path) -> None:
    """Writes a figure: the gateway's open loop and Triton's closed loop, p50 drawn and p95 dashed, each precision.

    Args:
        report: With the subjects of the curve.
        path: File to write; its suffix says the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots(1, 2)
    panels = (("Gateway, constant arrival rate", _AT_SHARE), ("Triton, fixed concurrency", _AT_CONCURRENCY))
    for panel, (title, pattern) in zip(axes, panels, strict=True):
        curves: dict[str, list[tuple[float, float, float]]] = {}
        for name, sample in report.samples.items():
            if found := pattern.fullmatch(name):
                point = (sample.images_per_second, sample.p50, sample.p95)
                curves.setdefault(found["precision"], []).append(point)
        for number, (precision, points) in enumerate(curves.items()):
            rates, medians, tails = zip(*points, strict=True)
            panel.plot(rates, medians, marker="o", color=f"C{number}", label=f"{precision} p50")
            panel.plot(rates, tails, marker=".", color=f"C{number}", linestyle="--", label=f"{precision} p95")
        panel.set(title=title, xlabel="images per second answered", ylabel="latency, ms", yscale="log")
        panel.grid(visible=True, which="both", alpha=0.3)
        if curves:
            panel.legend()
    figure.savefig(path)
