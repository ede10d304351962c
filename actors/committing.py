"""The end of the pipeline: documents that are whole become searchable, in few transactions."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import Engine

from actors.stages import Part
from smartypants.ledger import commits
from smartypants.ledger.collections import Collection
from smartypants.ledger.commits import Failed, Indexed
from smartypants.progress import Progress
from smartypants.protocols import VectorStore
from smartypants.settings import Settings


class Committer:
    """Collects receipts; flushes the vector store, then commits to the ledger, then cleans up.

    It lives in the driver, the only writer of document states while a job runs. A crash
    between any two steps leaves documents pending, and the next run does them again.
    """

    def __init__(
        self,
        engine: Engine,
        vectors: VectorStore,
        collection: Collection,
        settings: Settings,
        progress: Progress,
    ) -> None:
        self._engine = engine
        self._vectors = vectors
        self._collection = collection
        self._interval_s = settings.ingest.commit_interval_s
        self._progress = progress
        self._partial: dict[str, int] = {}
        self._indexed: list[Indexed] = []
        self._unchanged: list[Indexed] = []
        self._failed: list[Failed] = []
        self._committed_at = time.monotonic()

    def add(self, receipts: Iterable[Part]) -> None:
        """Count receipts, and commit if the interval has passed."""
        for receipt in receipts:
            self._progress.add_seconds(receipt.seconds)
            ref = receipt.work.ref
            if receipt.failed is not None:
                self._failed.append(receipt.failed)
                continue
            indexed = Indexed(
                ref.document_id,
                receipt.version,
                receipt.title,
                receipt.chunk_count,
                receipt.parsed,
            )
            if receipt.unchanged:
                self._unchanged.append(indexed)
                continue
            arrived = self._partial.pop(ref.document_id, 0) + 1
            if arrived < receipt.parts:
                self._partial[ref.document_id] = arrived
            else:
                self._indexed.append(indexed)
        if time.monotonic() - self._committed_at >= self._interval_s:
            self.commit()

    def commit(self) -> None:
        """Make everything that is whole searchable."""
        started = time.perf_counter()
        physical = self._collection.physical
        if self._indexed:
            self._vectors.flush(physical)
        commits.commit(self._engine, self._collection.name, self._indexed, self._failed)
        commits.keep(self._engine, [item.document_id for item in self._unchanged])
        if self._indexed:
            # New documents have no older version; asking for all is one call a few dozen.
            self._vectors.delete_versions(
                physical, {item.document_id: item.version for item in self._indexed}
            )
        self._progress.indexed += len(self._indexed)
        self._progress.failed += len(self._failed)
        self._progress.unchanged += len(self._unchanged)
        self._progress.documents -= len(self._unchanged)
        self._progress.chunks += sum(item.chunk_count for item in self._indexed)
        self._progress.add_seconds({"commit": time.perf_counter() - started})
        self._indexed, self._unchanged, self._failed = [], [], []
        self._committed_at = time.monotonic()
