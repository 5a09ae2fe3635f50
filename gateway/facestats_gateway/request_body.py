"""Reads the image out of a request's body: multipart, raw or JSON, in memory and within limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection

from starlette.requests import ClientDisconnect, Request

from facestats.problems import Problem
from facestats_gateway.json_image import image_of_json, unknown_fields
from facestats_gateway.multipart import Part, parse_multipart

MULTIPART_OVERHEAD = 64 * 1024
"""Bytes allowed for boundaries, part headers and small fields beside the images."""


async def read_image(request: Request, max_bytes: int, query_options: Collection[str]) -> bytes:
    """Reads the one image of a request.

    Accepts ``multipart/form-data`` with a file field ``image``, a raw body with an ``image/*`` or
    ``application/octet-stream`` type, or JSON ``{"image": "<base64>"}`` (a ``data:`` URL is fine).

    Args:
        request: The request, its body unread.
        max_bytes: Largest encoded image.
        query_options: Names that belong into the query, to say so of one that is found in the body.

    Raises:
        Problem: The body is missing, malformed, of another type, or too large.
    """
    content_type = media_type(request)
    if content_type == "multipart/form-data":
        max_body_bytes = max_bytes + MULTIPART_OVERHEAD
        (data,) = await read_image_parts(
            request, "image", query_options, max_parts=1, max_body_bytes=max_body_bytes, max_image_bytes=max_bytes
        )
        return checked_image(data, max_bytes)
    if content_type == "application/json":
        # Base64 takes a third more, line breaks that JSON escapes a little again.
        body = await _read(request, max_bytes * 3 // 2 + MULTIPART_OVERHEAD, max_bytes)
        # Up to 30 MB of base64 would hold up every other request.
        data = await asyncio.to_thread(image_of_json, body, query_options)
        return checked_image(data, max_bytes)
    if content_type.startswith("image/") or content_type == "application/octet-stream":
        return checked_image(await _read(request, max_bytes, max_bytes), max_bytes)
    raise Problem(
        "unsupported-media-type",
        "Send the image as multipart/form-data (field `image`), as a raw body with an image/* Content-Type, "
        'or as JSON {"image": "<base64>"}.',
    )


async def read_image_parts(
    request: Request,
    field: str,
    query_options: Collection[str],
    *,
    max_parts: int,
    max_body_bytes: int,
    max_image_bytes: int | None = None,
) -> list[bytes]:
    """Reads all files of one multipart field, whatever each of them holds.

    Args:
        request: The request, its body unread.
        field: Name of the form field, the only one the form may have.
        query_options: Names that belong into the query, to say so of one that is found in the form.
        max_parts: Most files.
        max_body_bytes: Largest body.
        max_image_bytes: The limit to name when the body is too large; ``max_body_bytes`` if absent.

    Raises:
        Problem: The body is no form, malformed, lacks the field, has others or goes past a limit.
    """
    if media_type(request) != "multipart/form-data":
        raise Problem("unsupported-media-type", f"Send multipart/form-data with files in the field `{field}`.")
    parts = await read_form(
        request, max_files=max_parts, max_body_bytes=max_body_bytes, max_image_bytes=max_image_bytes or max_body_bytes
    )
    images = [part.file() for part in parts if part.name == field]
    others = sorted({part.name for part in parts if part.name != field})
    if not images:
        has = f"; it has {', '.join(f'`{name}`' for name in others)}" if others else ""
        raise Problem("bad-request", f"The form has no file field `{field}`{has}.")
    if others:
        raise unknown_fields("The form", others, field, query_options)
    return images


async def read_form(
    request: Request, *, max_files: int, max_body_bytes: int, max_image_bytes: int | None = None
) -> list[Part]:
    """Parses a multipart form in memory.

    Args:
        request: The request, its body unread.
        max_files: Most files.
        max_body_bytes: Largest body.
        max_image_bytes: The limit to name when the body is too large; ``max_body_bytes`` if absent.

    Returns:
        The parts in their order.

    Raises:
        Problem: The form is malformed or goes past a limit.
    """
    body = _limited(request, max_body_bytes, max_image_bytes or max_body_bytes)
    return await parse_multipart(request.headers["content-type"], body, max_files=max_files)


def media_type(request: Request) -> str:
    """The body's type; what is encoded once more is refused.

    Raises:
        Problem: ``unsupported-media-type``: the body has a Content-Encoding.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem(
            "unsupported-media-type",
            f"The body has Content-Encoding: {encoding}, which is not read; send it as it is (photos are compressed).",
        )
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def declared_length(text: str) -> int:
    """What a ``Content-Length`` header says; 0 when it says nothing sensible (bytes are counted as they arrive)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def checked_image(data: bytes, max_bytes: int) -> bytes:
    """The encoded image itself, when it is neither empty nor too large.

    Raises:
        Problem: ``empty-body`` or ``too-many-bytes``.
    """
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    if not data:
        raise Problem("empty-body", "The image is empty (0 bytes).")
    return data


async def _read(request: Request, max_body_bytes: int, max_image_bytes: int) -> bytes:
    return b"".join([chunk async for chunk in _limited(request, max_body_bytes, max_image_bytes)])


async def _limited(request: Request, max_body_bytes: int, max_image_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks, until it proves larger than allowed (by its header already, when that says so)."""
    if declared_length(request.headers.get("content-length", "")) > max_body_bytes:
        raise _too_large(max_image_bytes)
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > max_body_bytes:
                raise _too_large(max_image_bytes)
            yield chunk
    except ClientDisconnect as error:
        raise Problem("bad-request", "The client closed the connection before the body was complete.") from error


def _too_large(max_bytes: int) -> Problem:
    return Problem("too-many-bytes", f"The image or request is larger than the {max_bytes:,} bytes that are allowed.")
