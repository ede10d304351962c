"""How far an ingest job is, and how fast: what its heartbeat carries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COUNTS = ("indexed", "unchanged", "failed", "deleted", "chunks", "embedded")


@dataclass(slots=True)
class Progress:
    """Counts of one run; `as_dict` is what the ledger keeps and users see.

    `embedded` counts the chunks whose vectors were computed: fewer than `chunks` where the
    embedding cache knew some, more where work was lost.
    """

    documents: int = 0
    unchanged: int = 0
    indexed: int = 0
    failed: int = 0
    deleted: int = 0
    chunks: int = 0
    embedded: int = 0
    phase: str = "discovering"
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    working_since: float | None = None
    earlier: dict[str, float] = field(default_factory=dict)
    """Counts and seconds of the job's earlier runs, which `as_dict` adds."""

    @classmethod
    def resumed(cls, kept: Mapping[str, Any]) -> Progress:
        """A run that goes on where an earlier one of the same job stopped."""
        earlier = {name: kept[name] for name in (*_COUNTS, "elapsed_s") if name in kept}
        return cls(earlier=earlier, seconds=dict(kept.get("seconds", {})))

    @property
    def advanced(self) -> bool:
        """Whether this run has finished any document."""
        return self.done > 0 or self.unchanged > 0

    @property
    def done(self) -> int:
        return self.indexed + self.failed

    def enter(self, phase: str) -> None:
        self.phase = phase

    def add_seconds(self, stages: Mapping[str, float]) -> None:
        for stage, seconds in stages.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def begin_indexing(self) -> None:
        self.working_since = time.monotonic()
        self.enter("indexing")

    def counts(self) -> dict[str, int]:
        """Of all runs of the job."""
        return {name: getattr(self, name) + int(self.earlier.get(name, 0)) for name in _COUNTS}

    def as_dict(self) -> dict[str, Any]:
        """Counts, seconds by stage, chunks a second and the seconds that are left."""
        now = time.monotonic()
        working = now - self.working_since if self.working_since is not None else 0.0
        rate = self.chunks / working if working > 0 else 0.0
        left = self.documents - self.done
        eta = working / self.done * left if self.done and left else None
        counts = self.counts()
        earlier = int(self.earlier.get("indexed", 0)) + int(self.earlier.get("failed", 0))
        return {
            "phase": self.phase,
            "documents": self.documents + earlier,
            "done": self.done + earlier,
            **counts,
            "chunks_per_s": round(rate, 1),
            "eta_s": round(eta, 1) if eta is not None else None,
            "elapsed_s": round(now - self.started + self.earlier.get("elapsed_s", 0.0), 2),
            "seconds": {stage: round(value, 2) for stage, value in self.seconds.items()},
        }
