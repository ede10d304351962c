"""The end of the pipeline: documents that are whole become searchable, in few transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from sqlalchemy import Engine

from actors.flights import Finished
from actors.stages import patiently
from smartypants.containing import note_contents
from smartypants.ledger import commits
from smartypants.ledger.collections import Collection
from smartypants.ledger.commits import Failed, Indexed
from smartypants.metering.payer import NOBODY, Payer
from smartypants.options.ingestion import IngestSettings
from smartypants.progress import Progress
from smartypants.protocols import VectorStore

log = structlog.get_logger(__name__)


Record = Callable[[Sequence[Indexed], Sequence[Failed]], None]
"""Notes in the ledger what became of documents, in one transaction."""


class Committer:
    """Collects finished documents; makes them durable, commits to the ledger, then cleans up.

    A crash between any two steps leaves documents pending, and the next run does them again.
    So does a vector store that does not have all the chunks that it was given.
    """

    def __init__(
        self,
        engine: Engine,
        vectors: VectorStore,
        collection: Collection,
        settings: IngestSettings,
        progress: Progress,
        record: Record | None = None,
        *,
        payer: Payer = NOBODY,
        job_id: str = "",
    ) -> None:
        self._engine = engine
        self._vectors = vectors
        self._collection = collection
        self._settings = settings
        self._progress = progress
        self._record = record or self._commit
        self._payer = payer
        self._job_id = job_id
        self._indexed: list[Indexed] = []
        self._stale: set[str] = set()
        self._unchanged: dict[str, str] = {}
        self._failed: list[Failed] = []
        self._committed_at = time.monotonic()

    def add(self, documents: Iterable[Finished]) -> bool:
        """Count documents, and commit if the interval has passed; whether it did."""
        for done in documents:
            self._progress.add_seconds(done.seconds)
            self._progress.embedded += done.embedded
            if done.failed is not None:
                self._failed.append(done.failed)
            elif done.indexed is None:
                self._unchanged[done.work.ref.document_id] = done.work.ref.etag
            else:
                self._indexed.append(done.indexed)
                if not done.work.fresh:
                    self._stale.add(done.indexed.document_id)
        if time.monotonic() - self._committed_at < self._settings.commit_interval_s:
            return False
        return self.commit()

    def commit(self) -> bool:
        """Make everything that is whole searchable; whether there was anything."""
        self._committed_at = time.monotonic()
        if not (self._indexed or self._unchanged or self._failed):
            return False
        started = time.perf_counter()
        physical = self._collection.physical
        whole: list[Indexed] = []
        if self._indexed:
            whole = patiently(lambda: self._durable(physical), self._settings.patience_s)
        self._record(whole, self._failed)
        commits.keep(self._engine, self._unchanged)
        stale = {
            item.document_id: (item.version, item.chunk_count)
            for item in whole
            if item.document_id in self._stale
        }
        if stale:
            patiently(
                lambda: self._vectors.delete_versions(physical, stale), self._settings.patience_s
            )
        self._progress.indexed += len(whole)
        self._progress.failed += len(self._failed)
        self._progress.unchanged += len(self._unchanged)
        self._progress.documents -= len(self._unchanged)
        self._progress.chunks += sum(item.chunk_count for item in whole)
        self._progress.add_seconds({"commit": time.perf_counter() - started})
        self._indexed, self._unchanged, self._failed = [], {}, []
        self._stale = set()
        return True

    def _commit(self, whole: Sequence[Indexed], failed: Sequence[Failed]) -> None:
        name, physical = self._collection.name, self._collection.physical
        self._progress.deleted += note_contents(
            self._engine,
            name,
            whole,
            job_id=self._job_id,
            max_attempts=self._settings.max_attempts,
        )
        commits.commit(self._engine, name, whole, failed, physical=physical, payer=self._payer)

    def _durable(self, physical: str) -> list[Indexed]:
        """Flush, then ask: a store that was killed in between may have lost what it took."""
        self._vectors.flush(physical)
        expected = {item.document_id: (item.version, item.chunk_count) for item in self._indexed}
        missing = self._vectors.incomplete(physical, expected)
        whole = [item for item in self._indexed if item.document_id not in missing]
        if len(whole) < len(self._indexed):
            log.warning("chunks_missing", documents=len(self._indexed) - len(whole))
        return whole
