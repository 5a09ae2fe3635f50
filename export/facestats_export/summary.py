"""What an export did, and what a person sees of it: its steps, and the table at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from facestats_export.material import Step
from facestats_export.proof import Proof, summary_rows


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes:
        output: The model repository.
        version: The published version; the live one when nothing had changed.
        parameters: The provenance.
        proof: What was measured; ``None`` when everything was there already.
    """

    output: Path
    version: int
    parameters: dict[str, str]
    proof: Proof | None

    @property
    def skipped(self) -> bool:
        """Whether everything was there already."""
        return self.proof is None


@contextmanager
def steps(console: Console) -> Iterator[Step]:
    """A progress display of named steps."""
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def step(description: str) -> None:
            for task in progress.tasks:
                progress.update(task.id, total=1, completed=1)
            progress.add_task(description, total=None)

        yield step
        for task in progress.tasks:
            progress.update(task.id, total=1, completed=1)


def print_summary(report: ExportReport, console: Console) -> None:
    """The table at the end of an export."""
    table = Table(title="unchanged, nothing to do" if report.skipped else "exported", show_header=False)
    table.add_row("repository", f"{report.output} (version {report.version})")
    for name in ("weights", "clip", "regressor", "training", "calibration", "precision", "target", "quantisation"):
        if name in report.parameters:
            table.add_row(name, report.parameters[name])
    if report.proof is not None:
        for trial in report.proof.trials:
            table.add_row("tried", str(trial))
        for row in summary_rows(report.proof):
            table.add_row(*row)
        table.add_row("alone against in a batch", f"{report.proof.batch_dependence:.6f} points at most")
        if report.proof.triton_obstacle is not None:
            table.add_row("Triton", Text(f"not compared: {report.proof.triton_obstacle}", "yellow"))
    console.print(table)
    if report.parameters.get("parity_forced") == "true":
        console.print("Published by force although the proof failed; the parity report says how.", style="bold red")
    if report.parameters.get("weights") == "untrained":
        console.print(
            "Untrained weights: speed and plumbing are real, the holistic score means nothing.", style="bold yellow"
        )
