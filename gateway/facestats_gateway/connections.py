"""Client connections that neither trickle in nor stall: a request's head must arrive, an answer must be taken."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
"""Bytes that a request line and its headers may have together."""


class _UnmovedParser:
    """An HTTP parser that reads on over an offer to speak another protocol.

    Whatever ``Upgrade`` names (``h2c`` from Java's HttpClient and ``curl --http2``, or ``websocket``), a server may
    decline it by answering as if it was not there (RFC 9110, 7.8). httptools stops after such a request's head instead,
    and takes no body; so the head is given to a new parser without that header, which then reads the rest.

    Args:
        connection: Takes the parser's events.
    """

    def __init__(self, connection: PatientConnection) -> None:
        self._connection = connection
        self._parser = _http_parser(connection)

    def feed_data(self, data: bytes) -> None:
        """Parses what came; raises httptools' errors."""
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                if not self.offers_upgrade():
                    raise
                head = self._connection.head_without_upgrade()
                self._parser = _http_parser(self._connection)
                self._parser.feed_data(head)
                data = data[stop.args[0] :]
            else:
                return

    def offers_upgrade(self) -> bool:
        """Whether the current request's head names another protocol that the connection could go on with."""
        # A CONNECT asks for a tunnel, which no later byte is meant to be HTTP in.
        return bool(self._parser.should_upgrade()) and self._parser.get_method() != b"CONNECT"

    def get_http_version(self) -> str:
        """The current request's."""
        return str(self._parser.get_http_version())

    def get_method(self) -> bytes:
        """The current request's."""
        return bytes(self._parser.get_method())

    def should_keep_alive(self) -> bool:
        """Whether the connection may serve another request."""
        return bool(self._parser.should_keep_alive())

    def should_upgrade(self) -> bool:
        """Never: no other protocol is spoken here."""
        return False


def _http_parser(connection: PatientConnection) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(connection)
    # As Uvicorn's own: the first of several pipelined requests is answered though it ends the connection.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


class PatientConnection(HttpToolsProtocol):
    """Uvicorn's connection with an end to its patience, and deaf to offers of other protocols.

    Uvicorn itself waits for ever for a request line, for headers (which it collects whatever their size), and for a
    client that takes nothing of its answer; that client would keep its photos' bytes and its place among the uploads.

    Args:
        head_seconds: Time in which a request line and its headers must have arrived.
        answer_seconds: Time in which a client must take some of the answer that waits for it.
        arguments: Uvicorn's own.
    """

    def __init__(self, head_seconds: float, answer_seconds: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.parser: Any = _UnmovedParser(self)
        self._head_seconds = head_seconds
        self._answer_seconds = answer_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._heads = 0
        self._head_bytes = 0
        self._in_head = True
        self._log = structlog.get_logger("facestats.http")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client has connected and owes a request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request came."""
        heads, in_head = self._heads, self._in_head
        super().data_received(data)
        # Counted are pieces that hold nothing but head.
        self._head_bytes = self._head_bytes + len(data) if in_head and self._in_head and heads == self._heads else 0
        if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is complete; the body has a time limit of its own (``facestats_gateway.uploads``)."""
        if self.parser.offers_upgrade():
            return
        self._stop_head_timer()
        self._in_head = False
        self._heads += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete; what comes next is another request's head."""
        if self.parser.offers_upgrade():
            return
        self._in_head = True
        super().on_message_complete()

    def head_without_upgrade(self) -> bytes:
        """The current request's head as it was sent, but for its ``Upgrade``."""
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_response_complete(self) -> None:
        """The answer is written; until the next request Uvicorn's keep-alive limit holds."""
        self._stop_head_timer()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is made."""
        super().pause_writing()
        self._await_progress()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._stop_answer_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._stop_head_timer()
        self._stop_answer_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._head_seconds, self._cut, "no request arrived")

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _await_progress(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._answer_timer = self.loop.call_later(self._answer_seconds, self._check_progress, waiting)

    def _check_progress(self, waited: int) -> None:
        """Cuts a client that has taken nothing; one that reads slowly goes on."""
        if self.transport.get_write_buffer_size() < waited:
            self._await_progress()
        else:
            self._cut("the answer is not taken")

    def _cut(self, reason: str) -> None:
        self._log.info("connection cut", reason=reason)
        self.transport.abort()


def patient_connections(head_seconds: float, answer_seconds: float) -> type[asyncio.Protocol]:
    """What Uvicorn makes for each connection (its ``http`` option)."""
    # Uvicorn only ever calls it.
    return cast("type[asyncio.Protocol]", partial(PatientConnection, head_seconds, answer_seconds))
