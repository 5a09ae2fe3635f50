"""``{"image": "<base64>"}``, with base64 as phones, shells and browsers write it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from urllib.parse import unquote

import orjson

from facestats.problems import Problem

_LINE_BREAKS = str.maketrans("", "", "\r\n\t")
_URL_SAFE = str.maketrans("-_", "+/")
_SHAPE = 'The JSON body must be {"image": "<base64>"}.'


def image_of_json(body: bytes, query_options: Collection[str]) -> bytes:
    """The encoded image in a JSON body.

    Args:
        body: The body; line breaks inside its string are taken as well, which shells leave there and JSON forbids.
        query_options: Names that belong into the query, to say so of one that is found here.

    Raises:
        Problem: ``bad-request`` or ``bad-parameter``: it is no such document.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            document = orjson.loads(body.translate(None, b"\r\n\t"))
        except orjson.JSONDecodeError:
            raise Problem("bad-request", f"The body is not valid JSON: {error}") from error
    text = document.get("image") if isinstance(document, dict) else None
    if not isinstance(text, str):
        raise Problem("bad-request", _SHAPE)
    if others := sorted(set(document) - {"image"}):
        raise unknown_fields("The JSON body", others, "image", query_options)
    return decode_base64(text)


def unknown_fields(where: str, names: Collection[str], field: str, query_options: Collection[str]) -> Problem:
    """What to say of fields that would be ignored.

    Args:
        where: What holds them, as a sentence's beginning.
        names: The fields.
        field: The one field that is allowed.
        query_options: Names that belong into the query.
    """
    said = f"{where} may hold `{field}` only, not {', '.join(f'`{name}`' for name in names)}."
    if options := [name for name in names if name in query_options]:
        said += f" Options belong into the address: ?{'&'.join(f'{name}=...' for name in options)}."
    return Problem("bad-parameter", said)


def decode_base64(text: str) -> bytes:
    """Bytes of base64 text in any of its usual dresses.

    Both alphabets (RFC 4648, 4 and 5), with or without padding, in lines or in one piece, bare or in a ``data:`` URL.

    Raises:
        Problem: ``bad-request``: it is none of these.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        kind, comma, text = text.partition(",")
        if not comma or not kind.rstrip().lower().endswith(";base64"):
            raise Problem("bad-request", "`image` is a data: URL, but not a base64 one (data:image/jpeg;base64,...).")
        if "%" in text:
            text = unquote(text)
    text = text.translate(_LINE_BREAKS)
    lines = text.split(" ")
    if len(lines) > 1 and len({len(line) for line in lines[:-1]} | {max(len(lines[0]), len(lines[-1]))}) > 1:
        raise Problem(
            "bad-request", "`image` has spaces amid its base64; was a `+` turned into a space? Percent-encode it."
        )
    text = "".join(lines).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem("bad-request", f"`image` is not valid base64: {error}") from error
