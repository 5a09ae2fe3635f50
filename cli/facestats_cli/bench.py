"""``facestats bench``: what this machine makes of the service, against raw ONNX Runtime and the replaced backend."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from facestats.errors import FaceStatsError
from facestats.places import example_photo
from facestats_cli.unshipped import require_benchmarks

if TYPE_CHECKING:
    from benchmarks.report import Report
    from benchmarks.run import Plan, Served

PROJECT = Path(__file__).parents[2]
RESULTS = PROJECT / "benchmarks" / "results" / "local"
REFERENCE = PROJECT / "benchmarks" / "reference.json"


def bench(
    precision: Annotated[list[str] | None, typer.Option(help="Exports to serve (auto and fp32).")] = None,
    url: Annotated[str | None, typer.Option(help="Measure this gateway instead of starting one.")] = None,
    triton_grpc: Annotated[str, typer.Option(help="With --url: its Triton's gRPC address.")] = "127.0.0.1:8001",
    triton_http: Annotated[str, typer.Option(help="With --url: its Triton's HTTP address.")] = "127.0.0.1:8000",
    photo: Annotated[
        Path | None, typer.Option(help="Photo of one face to measure with.", show_default="the example")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Length of one measurement.")] = 4.0,
    quick: Annotated[bool, typer.Option(help="Only what the ratios need.")] = False,
    output: Annotated[Path, typer.Option(help="Folder for report.json and latency.svg.")] = RESULTS,
    page: Annotated[list[Path] | None, typer.Option(help="Page whose marked sections to write; repeatable.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Where else to put the throughput-latency plot.")] = None,
    check: Annotated[bool, typer.Option(help="Fail if a ratio lost more than 10 % of the stored one.")] = False,
    save_reference: Annotated[bool, typer.Option(help="Store this run's ratios for --check.")] = False,
) -> None:
    """Measures everything in interleaved rounds and writes tables, JSON and a plot.

    Needs Locust: `make load-generator`, or any `locust` on the PATH.
    """
    require_benchmarks()
    from benchmarks.exports import ExportFailedError
    from benchmarks.gateway_load import LoadError, locust_command
    from benchmarks.plot import plot_latency
    from benchmarks.report import write_sections
    from benchmarks.run import QUICK, Plan
    from benchmarks.stacks import StackError
    from benchmarks.triton_load import PerfAnalyzerError

    console = Console(markup=False, stderr=True, highlight=False)
    if check and not REFERENCE.is_file():
        raise FaceStatsError(f"nothing to compare with: {REFERENCE} is missing; make it with --save-reference.")
    try:
        locust_command()
    except LoadError as error:
        raise FaceStatsError(str(error)) from None
    output.mkdir(parents=True, exist_ok=True)
    plan = replace(QUICK if quick else Plan(), rounds=rounds, seconds=seconds)
    with ExitStack() as stacks:
        try:
            served = _serve(stacks, precision or ["auto", "fp32"], url, triton_grpc, triton_http, output, console)
            report = _measure(served, plan, photo or example_photo(), output, console)
        except (ExportFailedError, LoadError, StackError, PerfAnalyzerError) as error:
            raise FaceStatsError(str(error)) from None
    (output / "report.json").write_text(json.dumps(report.document(), indent=1) + "\n")
    for path in (output / "latency.svg", *([plot] if plot else [])):
        plot_latency(report, path)
    for path in page or []:
        write_sections(report, path)
    _print(report, Console(markup=False))
    console.print(f"Written to {output}")
    if save_reference:
        document = {ratio.name: round(ratio.value, 4) for ratio in report.ratios}
        REFERENCE.write_text(json.dumps(document, indent=1) + "\n")
    if check:
        _check(report)


def _serve(
    stacks: ExitStack,
    precisions: list[str],
    url: str | None,
    triton_grpc: str,
    triton_http: str,
    output: Path,
    console: Console,
) -> list[Served]:
    """The given service, or one started for each precision."""
    from benchmarks.exports import exported_repository, instances_and_threads, newest_model, precision_and_backend
    from benchmarks.process_tree import ProcessTree
    from benchmarks.run import Served
    from benchmarks.stacks import Stack, StartedStack

    cores = len(os.sched_getaffinity(0))
    if url is not None:
        elsewhere = ProcessTree([])
        stack = Stack(url, triton_grpc, triton_http, elsewhere, elsewhere)
        return [Served(precisions[0], "", None, stack, None, cores, 1)]
    served: list[Served] = []
    for precision in precisions:
        repository = exported_repository(precision)
        exported, backend = precision_and_backend(repository)
        if any(each.precision == exported for each in served):
            # What `auto` takes may be the next one on the list.
            continue
        console.print(f"Starting the service ({precision}) ...")
        stack = stacks.enter_context(StartedStack(repository, output / f"service-{precision}.log"))
        instances, threads = instances_and_threads(repository, cores)
        model = newest_model(repository)
        served.append(Served(exported, backend, repository, stack, model, threads, instances))
    return served


def _measure(served: list[Served], plan: Plan, photo: Path, output: Path, console: Console) -> Report:
    from benchmarks.report import describe_machine, make_report
    from benchmarks.run import Benchmark
    from benchmarks.workload import Workload
    from facestats_client import FaceStatsClient

    machine = describe_machine(len(os.sched_getaffinity(0)))
    shown = {}
    for each in served:
        with FaceStatsClient(each.stack.url) as client:
            shown[each.precision] = client.model().model_dump(include={"weights", "clip", "precision", "calibration"})
    rounds = Benchmark(served, Workload(photo), plan, output, console.print).rounds()
    return make_report(rounds, machine, shown)


def _print(report: Report, console: Console) -> None:
    from benchmarks.report import ratio_rows, subject_rows

    for title, rows in (("Measured", subject_rows(report)), ("Ratios", ratio_rows(report))):
        table = Table(title=title)
        for heading in rows[0]:
            table.add_column(heading, justify="left" if heading == rows[0][0] else "right")
        for row in rows[1:]:
            table.add_row(*(cell.replace("**", "") for cell in row))
        console.print(table)


def _check(report: Report) -> None:
    from benchmarks.regression import losses

    found = losses(report.ratios, json.loads(REFERENCE.read_text()))
    if found:
        raise FaceStatsError("slower than stored: " + " ".join(found))
    typer.echo("No ratio lost more than 10 % of the stored one.")
