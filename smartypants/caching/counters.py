"""How often caches had what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from prometheus_client import Counter
from prometheus_client.registry import Collector

Kind = Literal["search", "answer", "semantic", "query_vector"]
Outcome = Literal["hit", "miss", "bypassed", "overtaken", "unfit"]
"""`overtaken`: the collection changed meanwhile. `unfit`: partial, or longer than a cache takes.
Neither was kept."""


class CacheCounters:
    """Counters that belong to no registry yet; whoever serves metrics registers them."""

    def __init__(self) -> None:
        self.lookups = Counter(
            "smartypants_cache_requests",
            "What caches were asked for, and results that they did not keep.",
            ("cache", "outcome"),
            registry=None,
        )
        self.errors = Counter(
            "smartypants_cache_errors",
            "Calls to a cache's server that failed or were late; each was a miss.",
            ("store",),
            registry=None,
        )

    @property
    def collectors(self) -> Sequence[Collector]:
        return (self.lookups, self.errors)

    def note(self, kind: Kind, outcome: Outcome) -> None:
        self.lookups.labels(kind, outcome).inc()

    def failed(self, store: str) -> None:
        self.errors.labels(store).inc()
