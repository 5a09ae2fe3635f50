"""Who may ask for scores, and how often: named API keys, hashed at rest, and a rate limit for each."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from facestats.problems import Problem

_KEY = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,64}):(?P<digest>[0-9a-f]{64})")


@dataclass(frozen=True)
class ApiKey:
    """A key that is accepted.

    Attributes:
        name: Whose it is; appears in the log.
        digest: SHA-256 of the key. Keys are 256 random bits, so a plain hash keeps them as well as a slow one.
    """

    name: str
    digest: bytes


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Reads the setting ``api_keys``.

    Args:
        text: ``name:sha256hex`` items with commas.

    Raises:
        ValueError: An item is malformed, or a name occurs twice.
    """
    keys = []
    for item in filter(None, (item.strip() for item in text.split(","))):
        match = _KEY.fullmatch(item)
        if match is None:
            # The item is not repeated: it may be a key that was pasted in the clear.
            raise ValueError("each item must be name:sha256hex (64 lower-case hex digits); `facestats key` makes one")
        keys.append(ApiKey(match["name"], bytes.fromhex(match["digest"])))
    if len({key.name for key in keys}) < len(keys):
        raise ValueError("two keys have the same name")
    return tuple(keys)


def parse_rate_limit(text: str) -> RateLimitItem | None:
    """Reads the setting ``rate_limit``, e.g. ``600/minute``; ``None`` when empty.

    Raises:
        ValueError: It is not one rate of at least 1.
    """
    if not text.strip():
        return None
    rates = parse_many(text)
    if len(rates) > 1:
        raise ValueError(f"'{text}' holds several rates; one is counted, such as 600/minute")
    if rates[0].amount < 1:
        raise ValueError(f"'{text}' lets nobody in; use at least 1, or leave it empty for no limit")
    return rates[0]


def new_api_key(name: str) -> tuple[str, str]:
    """Makes a key.

    Returns:
        The key itself, to be handed over and kept nowhere, and its ``name:sha256hex`` item for the setting.
    """
    key = f"fs_{secrets.token_urlsafe(32)}"
    return key, f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"


class AccessControl:
    """Checks keys and counts photos; one a process, used inside its event loop.

    Args:
        keys: The keys that are accepted; none: everybody may call.
        rate_limit: Most photos of one caller; ``None``: no limit.
    """

    def __init__(self, keys: Sequence[ApiKey], rate_limit: RateLimitItem | None) -> None:
        self._keys = keys
        self._rate_limit = rate_limit
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def identify(self, presented: str | None, address: str) -> str:
        """Says who calls: ``key:<name>``, or ``address:<address>`` where no key is needed.

        Args:
            presented: The key that came with the request.
            address: The client's address.

        Raises:
            Problem: ``unauthorized``.
        """
        if not self._keys:
            return f"address:{address}"
        if presented is None:
            raise Problem("unauthorized", "Send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.")
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        # Every key is compared, so that time tells nothing about which one came close.
        matches = [key.name for key in self._keys if hmac.compare_digest(key.digest, digest)]
        if not matches:
            raise Problem("unauthorized", "The API key is not known.")
        return f"key:{matches[0]}"

    async def check(self, caller: str) -> None:
        """Refuses a caller who has no photo left, without counting one.

        Raises:
            Problem: ``rate-limited``, with the time after which there is room again.
        """
        if self._rate_limit is not None and not await self._limiter.test(self._rate_limit, caller):
            raise await self._refusal(self._rate_limit, caller)

    async def charge(self, caller: str, photos: int = 1) -> None:
        """Counts photos against the caller's rate: all of them, or none when it refuses.

        Raises:
            Problem: ``rate-limited``, with the time after which there is room again; ``too-many-parts`` when there is
                never room for so many at once.
        """
        if self._rate_limit is None:
            return
        if photos > self._rate_limit.amount:
            raise Problem(
                "too-many-parts",
                f"The request has {photos} photos, and {_words(self._rate_limit)} are allowed; send fewer at a time.",
            )
        if not await self._limiter.hit(self._rate_limit, caller, cost=photos):
            raise await self._refusal(self._rate_limit, caller)

    async def _refusal(self, rate: RateLimitItem, caller: str) -> Problem:
        window = await self._limiter.get_window_stats(rate, caller)
        return Problem(
            "rate-limited",
            f"{_words(rate)} are allowed, and they are used up.",
            retry_after=max(1.0, window.reset_time - time.time()),
        )


def _words(rate: RateLimitItem) -> str:
    return f"{rate.amount} photos in {rate.get_expiry()} s"
