"""Cached bytes in Redis, so that replicas share them. A Redis that is away is a miss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from smartypants import credentials
from smartypants.caching.counters import CacheCounters
from smartypants.errors import SetupError

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

PAUSE_S = 1.0
"""A Redis that failed is not asked again for so long: a miss then costs nothing."""

log = structlog.get_logger(__name__)


class RedisStore:
    """Values in one Redis, at a `redis://`, `rediss://` (TLS) or `unix://` URL.

    `password` is a reference (`env:NAME`, `file:PATH`). No call takes longer than `timeout_s`.
    The connections belong to the event loop that first uses the store. Raises `SetupError`
    where the client is not installed or the secret is not there.
    """

    def __init__(
        self,
        *,
        url: str,
        password: str | None = None,
        ttl_s: float,
        timeout_s: float,
        counters: CacheCounters,
    ) -> None:
        try:
            import redis.asyncio
        except ImportError as exc:
            raise SetupError(
                "Redis's client is not installed.",
                "Install the extra that has it: pip install 'smartypants[redis]'.",
            ) from exc
        secret = None if password is None else credentials.resolve(password)
        self._redis: Redis = redis.asyncio.Redis.from_url(
            url, password=secret, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )
        self._ttl_ms = max(int(ttl_s * 1000), 1)
        self._timeout_s = timeout_s
        self._counters = counters
        self._asked_again_at = 0.0

    async def get(self, key: str) -> bytes | None:
        found = await self._bounded(lambda: self._redis.get(key))
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes) -> None:
        await self._bounded(lambda: self._redis.set(key, value, px=self._ttl_ms))

    async def close(self) -> None:
        await self._redis.aclose()

    async def _bounded(self, call: Callable[[], Awaitable[T]]) -> T | None:
        from redis.exceptions import RedisError

        if time.monotonic() < self._asked_again_at:
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call()
        except (RedisError, OSError) as exc:  # a TimeoutError is an OSError
            self._asked_again_at = time.monotonic() + PAUSE_S
            self._counters.failed("redis")
            log.warning("redis_away", error=type(exc).__name__)  # its message may hold the URL
            return None
