"""How far an ingest job is, and how fast: what its heartbeat carries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Progress:
    """Counts of one run; `as_dict` is what the ledger keeps and users see."""

    documents: int = 0
    unchanged: int = 0
    indexed: int = 0
    failed: int = 0
    deleted: int = 0
    chunks: int = 0
    phase: str = "discovering"
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    working_since: float | None = None

    @property
    def done(self) -> int:
        return self.indexed + self.failed

    def enter(self, phase: str) -> None:
        self.phase = phase

    def add_seconds(self, stages: Mapping[str, float]) -> None:
        for stage, seconds in stages.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def as_dict(self) -> dict[str, Any]:
        """Counts, seconds by stage, chunks a second and the seconds that are left."""
        now = time.monotonic()
        working = now - self.working_since if self.working_since is not None else 0.0
        rate = self.chunks / working if working > 0 else 0.0
        left = self.documents - self.done
        eta = working / self.done * left if self.done and left else None
        return {
            "phase": self.phase,
            "documents": self.documents,
            "done": self.done,
            "indexed": self.indexed,
            "unchanged": self.unchanged,
            "failed": self.failed,
            "deleted": self.deleted,
            "chunks": self.chunks,
            "chunks_per_s": round(rate, 1),
            "eta_s": round(eta, 1) if eta is not None else None,
            "elapsed_s": round(now - self.started, 2),
            "seconds": {stage: round(value, 2) for stage, value in self.seconds.items()},
        }
