"""How a command says what it cannot do."""

from __future__ import annotations

import typer


def say_failure(message: str) -> None:
    """Prints one sentence to standard error."""
    typer.secho(f"facestats: {message}", fg=typer.colors.RED, err=True)
