"""Reads the image out of a request's body: multipart, raw or JSON, in memory and within limits."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator

import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from facestats.problems import Problem

MULTIPART_OVERHEAD = 64 * 1024
"""Bytes allowed for boundaries, part headers and small fields beside the images."""


class InMemoryMultiPartParser(MultiPartParser):
    """Starlette's parser, but photos never touch the disk: parts stay in memory whatever their size.

    The whole body's size is limited while it arrives, so memory stays bounded.
    """

    spool_max_size = 2**62


async def read_image(request: Request, max_bytes: int) -> bytes:
    """Reads the one image of a request.

    Accepts ``multipart/form-data`` with a file field ``image``, a raw body with an ``image/*`` or
    ``application/octet-stream`` type, or JSON ``{"image": "<base64>"}`` (a ``data:`` URL is fine).

    Args:
        request: The request, its body unread.
        max_bytes: Largest encoded image.

    Raises:
        Problem: The body is missing, malformed, of another type, or too large.
    """
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        (data,) = await read_image_parts(request, "image", max_parts=1, max_body_bytes=max_bytes + MULTIPART_OVERHEAD)
        return checked_image(data, max_bytes)
    if content_type == "application/json":
        body = await _read(request, max_bytes * 4 // 3 + MULTIPART_OVERHEAD, max_bytes)
        # Up to 27 MB of base64 would hold up every other request.
        return await asyncio.to_thread(_decode_json, body, max_bytes)
    if content_type.startswith("image/") or content_type == "application/octet-stream":
        return _not_empty(await _read(request, max_bytes, max_bytes))
    raise Problem(
        "unsupported-media-type",
        "Send the image as multipart/form-data (field `image`), as a raw body with an image/* Content-Type, "
        'or as JSON {"image": "<base64>"}.',
    )


async def read_image_parts(request: Request, field: str, *, max_parts: int, max_body_bytes: int) -> list[bytes]:
    """Reads all files of one multipart field, whatever each of them holds.

    Args:
        request: The request, its body unread.
        field: Name of the form field.
        max_parts: Most files.
        max_body_bytes: Largest body.

    Raises:
        Problem: The form is malformed, lacks the field or goes past a limit.
    """
    form = await read_form(request, max_files=max_parts, max_body_bytes=max_body_bytes)
    images = [await part_bytes(part) for part in form.get(field, [])]
    if not images:
        raise Problem("bad-request", f"The form has no file field `{field}`.")
    if len(images) > max_parts:
        raise Problem("too-many-parts", f"The form has {len(images)} images; {max_parts} are allowed.")
    return images


async def read_form(request: Request, *, max_files: int, max_body_bytes: int) -> dict[str, list[UploadFile | str]]:
    """Parses a multipart form in memory.

    Args:
        request: The request, its body unread.
        max_files: Most files.
        max_body_bytes: Largest body.

    Returns:
        Field name to its values in order.

    Raises:
        Problem: The form is malformed or goes past a limit.
    """
    # One file more than allowed is parsed, so that the answer can name the limit.
    parser = InMemoryMultiPartParser(
        request.headers, _limited(request, max_body_bytes, max_body_bytes), max_files=max_files + 1, max_fields=16
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        code = "too-many-parts" if error.message.startswith("Too many") else "bad-request"
        raise Problem(code, f"The multipart form cannot be read: {error.message}") from error
    except KeyError as error:
        raise Problem("bad-request", "The multipart form's Content-Type names no boundary.") from error
    fields: dict[str, list[UploadFile | str]] = {}
    for name, value in form.multi_items():
        fields.setdefault(name, []).append(value)
    return fields


def declared_length(text: str) -> int:
    """What a ``Content-Length`` header says; 0 when it says nothing sensible (bytes are counted as they arrive)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


async def part_bytes(part: UploadFile | str) -> bytes:
    """A file part's content.

    Raises:
        Problem: It is a text field.
    """
    if isinstance(part, str):
        raise Problem("bad-request", "The image must be sent as a file part (with a filename), not as a text field.")
    data = await part.read()
    await part.close()
    return data


def checked_image(data: bytes, max_bytes: int) -> bytes:
    """The encoded image itself, when it is neither empty nor too large.

    Raises:
        Problem: ``empty-body`` or ``too-many-bytes``.
    """
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    return _not_empty(data)


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


def _decode_json(body: bytes, max_bytes: int) -> bytes:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("bad-request", f"The body is not valid JSON: {error}") from error
    text = document.get("image") if isinstance(document, dict) else None
    if not isinstance(text, str):
        raise Problem("bad-request", 'The JSON body must be {"image": "<base64>"}.')
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem("bad-request", f"`image` is not valid base64: {error}") from error
    return checked_image(data, max_bytes)


def _not_empty(data: bytes) -> bytes:
    if not data:
        raise Problem("empty-body", "The image is empty (0 bytes).")
    return data


def _too_large(max_bytes: int) -> Problem:
    return Problem("too-many-bytes", f"The image or request is larger than the {max_bytes:,} bytes that are allowed.")
