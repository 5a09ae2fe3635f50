"""Multipart forms, parsed in memory: photos never touch the disk, and a form that was cut short is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from facestats.problems import Problem

MAX_FIELDS = 16
"""Text fields that a form may have beside its files."""

_PLAIN = {b"content-encoding": b"identity", b"content-transfer-encoding": b"binary 7bit 8bit"}
"""Headers of a part that would say its bytes are not the file's own, and the values that do not say so."""


@dataclass
class Part:
    """One part of a form.

    Attributes:
        name: The form field.
        filename: As sent; ``None`` makes it a text field.
        extended_filename: Whether it has a ``filename*``, which forms must not use (RFC 7578, 4.2).
        data: Its bytes.
    """

    name: str
    filename: str | None
    extended_filename: bool
    data: bytes = b""

    def file(self) -> bytes:
        """The file's bytes.

        Raises:
            Problem: ``bad-request``: it is a text field.
        """
        if self.filename is None:
            lacks = "only `filename*`, which forms must not use (RFC 7578)" if self.extended_filename else "no filename"
            raise Problem(
                "bad-request",
                f"The form's part `{self.name}` has {lacks}, so it is a text field; "
                f'send it as a file: Content-Disposition: form-data; name="{self.name}"; filename="photo.jpg".',
            )
        return self.data


@dataclass
class _Reader:
    """Takes the parser's events; its limits count parts, whoever feeds it counts bytes."""

    max_files: int
    parts: list[Part] = field(default_factory=list)
    complete: bool = False
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _chunks: list[bytes] = field(default_factory=list)

    def on_part_begin(self) -> None:
        self._headers, self._chunks = {}, []

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def on_header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def on_headers_finished(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        if b"name" not in options:
            raise _unreadable("a part has no Content-Disposition with a name")
        filename = options.get(b"filename")
        part = Part(
            options[b"name"].decode(errors="replace"),
            None if filename is None else filename.decode(errors="replace"),
            b"filename*" in disposition.lower(),
        )
        for header, plain in _PLAIN.items():
            value = self._headers.get(header, b"").strip().lower()
            if value and value not in plain.split():
                raise Problem(
                    "unsupported-media-type",
                    f"The form's part `{part.name}` has {header.decode().title()}: {value.decode(errors='replace')}; "
                    "send the file's bytes as they are.",
                )
        self.parts.append(part)
        files = sum(part.filename is not None for part in self.parts)
        if files > self.max_files:
            raise Problem("too-many-parts", f"The form has more files than the {self.max_files} that are allowed.")
        if len(self.parts) - files > MAX_FIELDS:
            raise Problem("too-many-parts", f"The form has more text fields than the {MAX_FIELDS} that are allowed.")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def on_part_end(self) -> None:
        self.parts[-1].data = b"".join(self._chunks)
        self._chunks = []

    def on_end(self) -> None:
        self.complete = True


async def parse_multipart(content_type: str, stream: AsyncIterator[bytes], *, max_files: int) -> list[Part]:
    """Parses a ``multipart/form-data`` body.

    Args:
        content_type: The request's header, which names the boundary.
        stream: The body, bounded by whoever gives it.
        max_files: Most files.

    Returns:
        The parts in their order.

    Raises:
        Problem: The form is malformed, cut short, encoded, or has too many parts.
    """
    _, parameters = parse_options_header(content_type.encode("latin-1"))
    if not parameters.get(b"boundary"):
        raise _unreadable("its Content-Type names no boundary (leave that header to your HTTP library)")
    reader = _Reader(max_files)
    events = (
        *("on_part_begin", "on_part_data", "on_part_end", "on_header_field", "on_header_value"),
        *("on_header_end", "on_headers_finished", "on_end"),
    )
    try:
        parser = MultipartParser(parameters[b"boundary"], {name: getattr(reader, name) for name in events})  # type: ignore[arg-type]
        async for chunk in stream:
            parser.write(chunk)
    except FormParserError as error:
        raise _unreadable(str(error)) from error
    if not reader.complete:
        raise _unreadable("it ends before its closing boundary; it was cut short")
    return reader.parts


def _unreadable(reason: str) -> Problem:
    return Problem("bad-request", f"The multipart form cannot be read: {reason}.")
