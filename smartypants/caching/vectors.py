"""Vectors of questions by model and content: what is asked again is not embedded again."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

from cachetools import LRUCache

from smartypants.embedding_cache import cache_key
from smartypants.protocols import Vectors

Embed = Callable[[str], Awaitable[Vectors]]


class QueryVectors:
    """The vectors used last; a vector depends on nothing but its text and model, so none ages.

    >>> vectors = QueryVectors(model="MiniLM", max_entries=10_000)
    >>> await vectors.get("a question", embed=embedder)
    """

    def __init__(self, *, model: str, max_entries: int) -> None:
        self._model = model
        self._vectors: LRUCache[bytes, Vectors] = LRUCache(max_entries)
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    async def get(self, text: str, *, embed: Embed) -> Vectors:
        """The text's vector, from `embed` where it is not kept. Nobody may write to it."""
        key = cache_key(self._model, text)
        with self._lock:
            found = self._vectors.get(key)
            self.hits += found is not None
            self.misses += found is None
        if found is not None:
            return found
        # The batch that it is a row of would else live as long as the row.
        vector = (await embed(text)).copy()
        vector.flags.writeable = False
        if self._vectors.maxsize > 0:
            with self._lock:
                self._vectors[key] = vector
        return vector
