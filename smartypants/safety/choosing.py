"""The safety that answers from a collection get: what its overrides say as of now."""

from __future__ import annotations

from threading import Lock

from cachetools import LRUCache
from sqlalchemy import Engine

from smartypants.ledger import safety
from smartypants.safety.options import SafetySettings
from smartypants.safety.overrides import SafetyOverrides, readable
from smartypants.safety.policy import Safety

KEPT = 64


class CollectionSafety:
    """One small read of the ledger for each answer, so that no change is missed.

    >>> safety = CollectionSafety(engine, settings.safety).of("contracts")
    """

    def __init__(self, engine: Engine, settings: SafetySettings) -> None:
        """Raises `PluginNotFound` for an unknown detector."""
        self.everywhere = Safety(settings)
        self._engine = engine
        self._settings = settings
        self._made: LRUCache[str, Safety] = LRUCache(KEPT)
        self._lock = Lock()

    def of(self, collection: str) -> Safety:
        """Raises `SetupError` for overrides of another release."""
        stored = safety.get(self._engine, collection)
        if stored is None:
            return self.everywhere
        own = readable(collection, stored.overrides)
        return self._of(own.applied(self._settings), own)

    def _of(self, settings: SafetySettings, own: SafetyOverrides) -> Safety:
        key = own.model_dump_json()
        with self._lock:
            kept = self._made.get(key)
        if kept is None:
            kept = Safety(settings)
            with self._lock:
                self._made[key] = kept
        return kept
