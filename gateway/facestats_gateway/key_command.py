"""``facestats key``: makes an API key."""

from __future__ import annotations

from typing import Annotated

import typer

from facestats.errors import FaceStatsError


def key(name: Annotated[str, typer.Argument(help="Whose key it is; appears in the log.")]) -> None:
    """Makes an API key and its entry for FACESTATS_API_KEYS."""
    from facestats_gateway.access import new_api_key, parse_api_keys

    secret, entry = new_api_key(name)
    try:
        parse_api_keys(entry)
    except ValueError:
        raise FaceStatsError(
            f"'{name}' is no name for a key; use letters, digits, '.', '_' and '-' (at most 64)."
        ) from None
    print(f"Key, to hand over; it is stored nowhere:  {secret}")
    print(f"Entry for FACESTATS_API_KEYS:             {entry}")
