"""``facestats rollback``: the version before the live one again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facestats.places import REPOSITORY_HELP, default_repository


def rollback(
    repository: Annotated[
        Path,
        typer.Option(
            "--repository",
            "--output",
            default_factory=default_repository,
            show_default=REPOSITORY_HELP,
            help="The model repository.",
        ),
    ],
) -> None:
    """Returns to the version before; a running Triton takes it up without a failed request."""
    from facestats.holistic.provenance import Provenance
    from facestats.models.repository import ENSEMBLES, read_parameters
    from facestats_export.publish import rollback as return_to_previous

    version = return_to_previous(repository)
    served = Provenance(read_parameters(repository / ENSEMBLES[0]))
    print(
        f"Version {version} of '{repository}' is live again: {served.weights} weights, CLIP {served.get('clip')}, "
        f"regressor {served.get('regressor')}, calibration {served.get('calibration')}, {served.get('precision')} "
        f"for {served.get('target')}."
    )
