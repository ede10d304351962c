"""Compares the ledger with the vector store, chunk by chunk, and repairs what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import Engine

from smartypants.ledger import collections, commits, documents, jobs, listing
from smartypants.ledger.documents import Document
from smartypants.protocols import VectorStore
from smartypants.types import DocumentState, StoredChunk

BATCH = 500


@dataclass(slots=True)
class Verification:
    """What was found in a collection. Without faults, searches show exactly what was indexed.

    `incomplete`: searchable documents that lack chunks, or have some twice. `stale`: chunks of
    another version than the searchable one. `orphans`: chunks of documents that are deleted or
    unknown. `misplaced`: chunks with another ACL, source, type, author or date than
    their document has.
    `unfinished`: chunks that a job has written and not committed yet; no search shows them.
    """

    collection: str
    documents: int = 0
    chunks: int = 0
    pending: int = 0
    failed: int = 0
    unfinished: int = 0
    incomplete: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.incomplete or self.stale or self.orphans or self.misplaced)


@dataclass(slots=True)
class _Held:
    """Chunks of a document's searchable version: how many, and the sum of their indexes."""

    chunks: int = 0
    indexes: int = 0


def verify(engine: Engine, vectors: VectorStore, collection: str) -> Verification:
    """Read everything of a collection once. Raises `CollectionNotFound`, `Unavailable`.

    While jobs work on the collection, what they change in the meantime may be reported.
    """
    physical = collections.get(engine, collection).physical
    found = Verification(collection)
    held: dict[str, _Held] = {}
    for batch in vectors.scan(physical):
        rows = documents.by_id(engine, {stored.chunk.document_id for stored in batch})
        for stored in batch:
            found.chunks += 1
            _place(stored, rows.get(stored.chunk.document_id), collection, found, held)
    for row in _documents(engine, collection):
        found.pending += row.state == DocumentState.PENDING
        found.failed += row.state == DocumentState.FAILED
        if row.searchable:
            found.documents += 1
            mine = held.get(row.id, _Held())
            count = row.chunk_count
            if (mine.chunks, mine.indexes) != (count, count * (count - 1) // 2):
                found.incomplete.append(row.id)
    return found


def _place(
    stored: StoredChunk,
    row: Document | None,
    collection: str,
    found: Verification,
    held: dict[str, _Held],
) -> None:
    chunk = stored.chunk
    if row is None or row.collection != collection or row.state == DocumentState.DELETED:
        found.orphans.append(stored.chunk_id)
    elif chunk.version != row.indexed_version:
        if row.state == DocumentState.INDEXED:
            found.stale.append(stored.chunk_id)
        else:
            found.unfinished += 1
    elif chunk.index >= row.chunk_count or stored.chunk_id != chunk.chunk_id:
        found.stale.append(stored.chunk_id)
    else:
        mine = held.setdefault(row.id, _Held())
        mine.chunks += 1
        mine.indexes += chunk.index
        known = stored.attributes or row.attributes
        if (stored.acl_id, stored.source_id, known) != (row.acl_id, row.source_id, row.attributes):
            found.misplaced.append(row.id)


def _documents(engine: Engine, collection: str) -> Iterator[Document]:
    after = ""
    while page := documents.of_collection(engine, collection, after=after, limit=BATCH):
        yield from page
        after = page[-1].id


def repair(engine: Engine, vectors: VectorStore, found: Verification) -> list[jobs.Job]:
    """Remove the chunks that should not be there, and have the documents that lack some, or
    carry a wrong ACL, indexed anew; the jobs that do it. Idempotent."""
    physical = collections.get(engine, found.collection).physical
    vectors.delete_chunks(physical, found.stale + found.orphans)
    again = sorted({*found.incomplete, *found.misplaced})
    if not again:
        return []
    commits.begin_again(engine, found.collection, again)
    sources = {row.source_id for row in documents.by_id(engine, again).values()}
    return [
        jobs.submit(
            engine,
            "ingest",
            found.collection,
            {"connector": source.kind, "uri": source.given_uri},
        )
        for source in listing.sources_by_id(engine, sorted(sources))
    ]
