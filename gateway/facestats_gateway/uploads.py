"""Bounds what request bodies cost before they are photos: bytes held at a time, and time to arrive."""

from __future__ import annotations

import asyncio

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facestats.problems import Problem
from facestats.scoring.admission import kept_work
from facestats.scoring.drain import DrainRate
from facestats_gateway.request_body import declared_length

_SMALLEST_CHARGE = 64 * 1024
"""What even an empty upload counts for, bytes, so that the budget bounds the number of slow uploads too."""


class UploadLimits:
    """ASGI middleware: charges every body to one budget of bytes until its request is answered and its work is done.

    A declared ``Content-Length`` is charged before the first byte is read, an undeclared body as it arrives. Reading
    past the budget or the time limit raises a ``Problem`` in whoever reads the body.

    Args:
        app: The application.
        max_bytes_in_flight: Most bytes of all bodies together.
        seconds: Time in which a body must have arrived, from the first read.
    """

    def __init__(self, app: ASGIApp, max_bytes_in_flight: int, seconds: float) -> None:
        self.bytes_in_flight = 0
        self._app = app
        self._drain = DrainRate()
        self._max_bytes = max_bytes_in_flight
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application with a bounded ``receive``."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        upload = _Upload(self, receive, _declared_length(scope), self._seconds)
        with kept_work() as works:
            try:
                await self._app(scope, upload.receive, send)
            finally:
                going_on = [work for work in works if not work.done()]
                if going_on:
                    # A thread that decodes for a caller who has gone still holds the bytes.
                    ended = asyncio.gather(*going_on, return_exceptions=True)
                    ended.add_done_callback(lambda _: self._give_back(upload.charged))
                else:
                    self._give_back(upload.charged)

    def _give_back(self, charged: int) -> None:
        if charged:
            self.bytes_in_flight -= charged
            self._drain.end(charged)

    def charge(self, size: int, held: int) -> None:
        """Takes bytes from the budget; one upload always fits.

        Args:
            size: Bytes to take.
            held: Bytes the same upload has taken already.

        Raises:
            Problem: ``overloaded``.
        """
        if self.bytes_in_flight > held and self.bytes_in_flight + size > self._max_bytes:
            raise Problem(
                "overloaded",
                "The service is at its limit: too many bytes are being uploaded.",
                retry_after=self._drain.seconds_for(self.bytes_in_flight),
            )
        self.bytes_in_flight += size
        if not held:
            self._drain.begin()


class _Upload:
    """One request's body on its way in."""

    def __init__(self, limits: UploadLimits, receive: Receive, declared: int, seconds: float) -> None:
        self.charged = 0
        self._limits = limits
        self._receive = receive
        self._declared = declared
        self._received = 0
        self._seconds = seconds
        self._end: float | None = None
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        if self._end is None:
            self._end = anyio.current_time() + self._seconds
            self._charge_up_to(max(self._declared, _SMALLEST_CHARGE))
        try:
            with anyio.fail_after(self._end - anyio.current_time()):
                message = await self._receive()
        except TimeoutError:
            raise Problem("request-timeout", f"The body had not arrived after {self._seconds:g} s.") from None
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            self._charge_up_to(self._received)
        else:
            self._complete = True
        return message

    def _charge_up_to(self, size: int) -> None:
        if size > self.charged:
            self._limits.charge(size - self.charged, self.charged)
            self.charged = size


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return declared_length(value.decode("latin-1"))
    return 0
