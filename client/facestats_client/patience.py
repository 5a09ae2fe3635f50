"""Further tries, as long as the caller's patience lasts."""

from __future__ import annotations

import httpx
from httpx_retries import Retry, RetryTransport

_BUSY = (429, 503)
_LOST = (502, 504)
"""A proxy's words for a replica that went, and a request whose time was over: worth another try to who has time."""


class PatientTransport(RetryTransport):
    """Tries again after 429, 503 and lost connections, unless the service asks for a longer wait than there is.

    Args:
        retries: Further tries.
        patience: Longest wait between two tries, and the longest of all of them together, seconds.
        insist: Whether to try again after 502 and 504 too.
    """

    def __init__(self, retries: int, patience: float, *, insist: bool = False) -> None:
        retry = Retry(
            total=retries,
            # Scoring changes nothing on the server, so a POST may be repeated.
            allowed_methods=["GET", "POST"],
            status_forcelist=_BUSY + _LOST if insist else _BUSY,
            # Not on time-outs: the service may still be working on the first try.
            retry_on_exceptions=[httpx.NetworkError, httpx.RemoteProtocolError],
            backoff_factor=0.25,
            max_backoff_wait=patience,
            total_timeout=patience,
        )
        super().__init__(_Hearing(retry, patience), retry)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request, possibly several times."""
        try:
            return super().handle_request(request)
        except _WaitTooLongError as error:
            return error.response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The asynchronous twin."""
        try:
            return await super().handle_async_request(request)
        except _WaitTooLongError as error:
            return error.response


class _WaitTooLongError(Exception):
    """Carries the answer past the retries, which would wait as long as they may and then ask too early."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__("the service asks for a longer wait than there is")
        self.response = response


class _Hearing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends requests and hears what a busy service says of when to come again."""

    def __init__(self, retry: Retry, patience: float) -> None:
        self._retry, self._patience = retry, patience
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._heard(self._sync.handle_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._heard(await self._async.handle_async_request(request))

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()

    def _heard(self, response: httpx.Response) -> httpx.Response:
        said = response.headers.get("Retry-After")
        if response.status_code not in _BUSY or said is None:
            return response
        try:
            wait = self._retry.parse_retry_after(said)
        except ValueError:
            return response
        if wait > self._patience:
            raise _WaitTooLongError(response)
        return response
