"""Where cached bytes are kept: in this process, or in Redis for all replicas.

A store is a cache and nothing more: it may forget anything at any time, and no error of its own
reaches whoever asks it.
"""

from __future__ import annotations

import threading
from typing import Protocol

from cachetools import TTLCache

OVERHEAD_BYTES = 300
"""What an entry costs besides its value: the key, and the books that are kept of it."""


class Store(Protocol):
    async def get(self, key: str) -> bytes | None:
        """What was put there last, or None."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value for a while."""
        ...


class MemoryStore:
    """The entries used last, in this process, up to a number of bytes and seconds."""

    def __init__(self, *, max_bytes: int, ttl_s: float) -> None:
        self._max_bytes = max_bytes
        self._entries: TTLCache[str, bytes] = TTLCache(
            max_bytes, ttl_s, getsizeof=lambda value: len(value) + OVERHEAD_BYTES
        )
        self._lock = threading.Lock()

    async def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._entries.get(key)

    async def put(self, key: str, value: bytes) -> None:
        if len(value) + OVERHEAD_BYTES > self._max_bytes:
            return
        with self._lock:
            self._entries[key] = value
