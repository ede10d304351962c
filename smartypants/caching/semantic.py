"""Finds an earlier question that means the same; off by default, as meaning is never certain.

Two questions that resemble each other may differ in the one word that matters. So besides
similarity, the particulars have to agree: numbers, names, and whether something is negated.
`benchmarks/semantic_cache.py` measures how often that is right, and how often wrong.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from smartypants.particulars import particulars
from smartypants.protocols import Vectors


@dataclass(slots=True)
class _Earlier:
    """The questions of one scope, oldest first."""

    vectors: list[Vectors] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


class SemanticIndex:
    """Questions by scope; a scope is all that a result depends on but the question's words.

    Permissions and the collection's standing are part of the scope: what it finds is neither
    foreign nor stale. It holds `max_entries` questions; those of the scope that was used least
    recently go first.

    >>> index = SemanticIndex(min_similarity=0.95, max_entries=1000)
    >>> index.add("scope", "how old is she?", vector, "key 1")
    >>> index.find("scope", "what age is she?", near_vector)
    'key 1'
    """

    def __init__(self, *, min_similarity: float, max_entries: int) -> None:
        self._min_similarity = min_similarity
        self._max_entries = max_entries
        self._scopes: OrderedDict[str, _Earlier] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def find(self, scope: str, text: str, vector: Vectors) -> str | None:
        """The key of the nearest earlier question with the same particulars (unit vectors)."""
        with self._lock:
            earlier = self._scopes.get(scope)
            if earlier is None:
                return None
            self._scopes.move_to_end(scope)
            similarities: Vectors = np.stack(earlier.vectors) @ vector
            texts, keys = list(earlier.texts), list(earlier.keys)
        mine = particulars(text)
        for place in np.argsort(-similarities).tolist():
            if similarities[place] < self._min_similarity:
                return None
            if particulars(texts[place]).agree(mine):
                found: str = keys[place]
                return found
        return None

    def add(self, scope: str, text: str, vector: Vectors, key: str) -> None:
        with self._lock:
            earlier = self._scopes.setdefault(scope, _Earlier())
            self._scopes.move_to_end(scope)
            if key in earlier.keys:
                return
            earlier.vectors.append(vector)
            earlier.texts.append(text)
            earlier.keys.append(key)
            self._size += 1
            while self._size > self._max_entries:
                self._forget_oldest()

    def _forget_oldest(self) -> None:
        scope, oldest = next(iter(self._scopes.items()))
        for part in (oldest.vectors, oldest.texts, oldest.keys):
            part.pop(0)
        self._size -= 1
        if not oldest.keys:
            del self._scopes[scope]
