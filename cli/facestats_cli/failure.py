"""How a command ends when it cannot do what was asked."""

from __future__ import annotations

import typer


def fail(message: str) -> typer.Exit:
    """Prints one sentence to standard error; raise what it returns to end the command with exit code 1."""
    typer.secho(f"facestats: {message}", fg=typer.colors.RED, err=True)
    return typer.Exit(1)
