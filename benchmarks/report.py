"""A run's outcome as a document: JSON for machines, tables for people."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.gateway_load import locust_command
from benchmarks.markdown import markdown_table, replace_marked
from benchmarks.matrix_rate import TOWER_GFLOP
from benchmarks.measurement import Sample, median_sample, spread
from benchmarks.ratios import BASELINE, Ratio, Round, peer_name, ratios

RATIOS_MARK, SUBJECTS_MARK, THROUGHPUT_MARK = "ratios", "subjects", "throughput"
"""Names of the marks between which pages have what a run found."""


CAPTURES = ("stable", "fast")


@dataclass(frozen=True)
class Report:
    """What a run found.

    Attributes:
        machine: What was measured on.
        served: Precision to what the server says of its export.
        samples: Subject to the median of its rounds.
        spreads: Subject to how far its rounds' throughputs lie apart, (largest - smallest) / median.
        ratios: The ratios with their targets.
        rounds: How many rounds.
    """

    machine: dict[str, Any]
    served: dict[str, dict[str, str]]
    samples: dict[str, Sample]
    spreads: dict[str, float]
    ratios: list[Ratio]
    rounds: int

    def document(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return dataclasses.asdict(self) | {
            "ratios": [dataclasses.asdict(ratio) | {"met": ratio.met} for ratio in self.ratios]
        }


def make_report(rounds: Sequence[Round], machine: dict[str, Any], served: dict[str, dict[str, str]]) -> Report:
    """The medians and ratios of some rounds."""
    names = list(dict.fromkeys(name for samples in rounds for name in samples))
    by_subject = {name: [samples[name] for samples in rounds if name in samples] for name in names}
    return Report(
        machine=machine,
        served=served,
        samples={name: median_sample(found) for name, found in by_subject.items()},
        spreads={name: spread([sample.images_per_second for sample in found]) for name, found in by_subject.items()},
        ratios=ratios(rounds, list(served), int(machine["cores"])),
        rounds=len(rounds),
    )


def describe_machine(cores: int) -> dict[str, Any]:
    """Processor, cores, memory, load and the versions that matter."""
    from importlib.metadata import version

    packages = ("onnxruntime", "torch", "transformers", "mediapipe", "nvidia-pytriton", "tritonclient")
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": round(psutil.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages} | {"locust": _locust_version()},
    }


def _locust_version() -> str:
    said = subprocess.run([locust_command(), "--version"], check=True, capture_output=True, text=True).stdout
    return said.split()[1]


def _processor() -> str:
    found = subprocess.run(["lscpu"], check=False, capture_output=True, text=True, env={"LC_ALL": "C"}).stdout
    names = [line.partition(":")[2].strip() for line in found.splitlines() if line.startswith("Model name")]
    return names[0] if names else platform.processor() or "unknown"


def subject_rows(report: Report) -> list[tuple[str, ...]]:
    """The subjects' table, its heading first."""
    heading = (
        "subject",
        "images/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "CPU ms/image",
        "generator",
        "memory MB",
        "failed",
        "spread",
    )
    rows: list[tuple[str, ...]] = [heading]
    for name, sample in report.samples.items():
        rows.append(
            (
                name,
                f"{sample.images_per_second:.1f}",
                *(f"{value:.1f}" for value in (sample.p50, sample.p95, sample.p99)),
                "" if sample.cpu_ms is None else f"{sample.cpu_ms:.1f}",
                "" if sample.generator_cpu_ms is None else f"{sample.generator_cpu_ms:.1f}",
                "" if not sample.memory_mb else f"{sample.memory_mb:.0f}",
                f"{sample.failed:.0%}" if sample.failed else "",
                f"{report.spreads[name]:.0%}",
            )
        )
    return rows


def ratio_rows(report: Report) -> list[tuple[str, ...]]:
    """The ratios' table, its heading first."""
    rows: list[tuple[str, ...]] = [("ratio", "measured", "target", "met", "spread")]
    for ratio in report.ratios:
        sign = ">=" if ratio.at_least else "<="
        met = "yes" if ratio.met else "**no**"
        rows.append((ratio.name, f"{ratio.value:.3g}", f"{sign} {ratio.target:g}", met, f"{ratio.spread:.0%}"))
    return rows


def throughput_rows(report: Report) -> list[tuple[str, ...]]:
    """Photos a second by what is served and by requests in flight, beside what one would have instead; heading first.

    The share is of the machine's own matrix rate in the type that CLIP multiplies in.
    """
    rows: list[tuple[str, ...]] = [("photos/s", "1 in flight", "16", "64", "share of the matrix rate at 16")]
    served = [(f"gateway {precision} {capture}", precision) for precision in report.served for capture in CAPTURES]
    peers = [
        (peer_name(precision, runs, 0).rpartition(", ")[0], precision)
        for precision in ("fp32", "bf16")
        for runs in (1, 3)
    ]
    for name, precision in served + peers:
        joint = " " if name.startswith("gateway") else ", "
        found = [report.samples.get(f"{name}{joint}{in_flight} in flight") for in_flight in (1, 16, 64)]
        if not any(found):
            continue
        rate = report.samples.get(f"matrix {precision}")
        middle = found[1]
        share = f"{middle.images_per_second * TOWER_GFLOP / rate.images_per_second:.0%}" if rate and middle else ""
        rows.append((name, *("" if each is None else f"{each.images_per_second:.1f}" for each in found), share))
    baseline = report.samples.get(BASELINE)
    if baseline is not None:
        rows.append((f"{BASELINE} (one mesh run, in process)", f"{baseline.images_per_second:.1f}", "", "", ""))
    return rows


def conditions(report: Report) -> str:
    """What the figures were measured on, in a paragraph."""
    machine = report.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    weights = ", ".join(
        f"{precision}: {said.get('weights', 'unknown')} weights" for precision, said in report.served.items()
    )
    return (
        f"{report.rounds} rounds on {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"Python {machine['python']}; {versions}. Load average before the run: {machine['load_before']}. "
        f"Served: {weights}. Figures are medians over the rounds; `spread` is (largest - smallest) / median."
    )


def write_sections(report: Report, page: Path) -> None:
    """Puts the ratios, and the subjects where the page has a place for them, between a page's marks.

    Raises:
        ValueError: The page has no place for the ratios.
    """
    replace_marked(page, RATIOS_MARK, markdown_table(ratio_rows(report)))
    if f"<!-- {THROUGHPUT_MARK} -->" in page.read_text():
        replace_marked(page, THROUGHPUT_MARK, f"{markdown_table(throughput_rows(report))}\n\n{conditions(report)}")
    if f"<!-- {SUBJECTS_MARK} -->" in page.read_text():
        replace_marked(page, SUBJECTS_MARK, f"{conditions(report)}\n\n{markdown_table(subject_rows(report))}")
