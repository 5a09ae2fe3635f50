"""``facestats export``: PyTorch weights to Triton's model repository, with proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from facestats.places import REPOSITORY_HELP, default_repository
from facestats_export.errors import ExportError


def export(
    output: Annotated[
        Path,
        typer.Option(default_factory=default_repository, show_default=REPOSITORY_HELP, help="The model repository."),
    ],
    weights: Annotated[
        str, typer.Option(envvar="FACESTATS_WEIGHTS", help="`auto`, `hf`, `untrained`, or a local CLIP snapshot.")
    ] = "auto",
    regressor: Annotated[
        str,
        typer.Option(envvar="FACESTATS_REGRESSOR", help="`auto`, `facestats-app`, `untrained`, or a checkpoint file."),
    ] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "fp16", "bf16", "int8"],
        typer.Option(help="Of the image tower; `auto`: the fastest that passes the proof on this machine."),
    ] = "auto",
    target: Annotated[
        Literal["auto", "cpu", "openvino", "cuda", "tensorrt"],
        typer.Option(help="What Triton runs it on; `auto` follows the precision."),
    ] = "auto",
    calibration: Annotated[Path | None, typer.Option(help="Calibration file of this regressor.")] = None,
    uncalibrated: Annotated[bool, typer.Option(help="Export without a calibration: no blend.")] = False,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="A scikit-learn classifier to serve beside the score; repeatable."),
    ] = None,
    trust_pickle: Annotated[
        bool, typer.Option(help="Load pickles of scikit-learn models and TorchScript; this runs the code in them.")
    ] = False,
    parity_images: Annotated[Path | None, typer.Option(help="Photos to prove the export on.")] = None,
    triton: Annotated[bool, typer.Option(help="Compare Triton too, where it is installed.")] = True,
    force: Annotated[bool, typer.Option(help="Publish even if unchanged, or past a limit; recorded.")] = False,
) -> None:
    """Exports CLIP and the regressor to ONNX and publishes them once they are proved equal to PyTorch."""
    from facestats_export.options import ExportOptions
    from facestats_export.run import export_models
    from facestats_export.summary import print_summary

    console = Console(markup=False, stderr=True, highlight=False)
    options = ExportOptions(
        weights=weights,
        regressor=regressor,
        precision=precision,
        target=target,
        output=output,
        calibration=calibration,
        uncalibrated=uncalibrated,
        attributes=attribute_files(attribute or []),
        trust_pickle=trust_pickle,
        compare_triton=triton,
        parity_images=parity_images,
        force=force,
    )
    report = export_models(options, console)
    print_summary(report, console)


def attribute_files(assignments: list[str]) -> dict[str, Path]:
    """Attribute names and files from ``NAME=FILE`` arguments.

    Raises:
        ExportError: One is not of that form.
    """
    files = {}
    for assignment in assignments:
        name, equals, file = assignment.partition("=")
        if not (name and equals and file):
            raise ExportError(f"'{assignment}' is not NAME=FILE.")
        files[name] = Path(file)
    return files
