"""Changes of what searches may show, each in one transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Update,
    and_,
    case,
    select,
    true,
    tuple_,
    update,
)

from smartypants.auditing import events
from smartypants.errors import Unavailable
from smartypants.ledger import audit, contents, usage, versions
from smartypants.ledger.collections import move_epoch
from smartypants.ledger.database import BATCH, lock
from smartypants.ledger.schema import collections, documents
from smartypants.metering.counts import Bucket, Sums
from smartypants.metering.payer import NOBODY, Payer
from smartypants.types import DocumentRef, DocumentState

RETRY_S = 2.0
MAX_RETRY_S = 600.0


@dataclass(frozen=True, slots=True)
class Indexed:
    """A document whose chunks are all in the vector store, flushed."""

    document_id: str
    version: str
    title: str
    chunk_count: int
    parsed: Mapping[str, str] = field(default_factory=dict)
    acl_id: int | None = None
    """What its chunks carry, if that may not be the document's by now."""
    contents: tuple[DocumentRef, ...] | None = None
    """What came inside it; None: as before."""
    etag: str | None = None
    """Of what was read, if the document may be another by now."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A document that could not be indexed in this run; retryable: the error may pass."""

    document_id: str
    code: str
    message: str
    retryable: bool
    etag: str | None = None
    """As `Indexed.etag`."""


def commit(
    engine: Engine,
    collection: str,
    indexed: Sequence[Indexed],
    failed: Sequence[Failed],
    *,
    physical: str | None = None,
    payer: Payer = NOBODY,
) -> None:
    """One transaction: these documents are searchable in these versions, those failed.

    A failed document keeps the version that was searchable before. One that was deleted in
    the meantime stays deleted, and one that changed stays pending. `physical` is where the
    chunks were written: raises `Unavailable` if searches use another one by now, and the work
    is to be done again. The documents are on the payer's account, where there is one.
    """
    now = time.time()
    with engine.begin() as connection:
        if indexed:
            move_epoch(connection, collection)
            _check_physical(connection, collection, physical)
        ids = [item.document_id for item in indexed] + [bad.document_id for bad in failed]
        lock(connection, documents, ids)
        for item in indexed:
            done = connection.execute(
                _undeleted(item.document_id).values(
                    state=case(
                        (_as_read(item.etag), DocumentState.INDEXED), else_=documents.c.state
                    ),
                    indexed_version=item.version,
                    title=item.title,
                    parsed=dict(item.parsed),
                    placed_acl_id=item.acl_id,
                    chunk_count=item.chunk_count,
                    error_code=None,
                    error=None,
                    attempts=0,
                    retryable=0,
                    retry_at=None,
                    updated_at=now,
                    indexed_at=now,
                )
            )
            if done.rowcount:
                versions.begin(
                    connection,
                    item.document_id,
                    item.version,
                    chunk_count=item.chunk_count,
                    at=now,
                )
        for bad in failed:
            connection.execute(
                _undeleted(bad.document_id)
                .where(_as_read(bad.etag))
                .values(
                    state=DocumentState.FAILED,
                    error_code=bad.code,
                    error=bad.message[:4000],
                    attempts=documents.c.attempts + 1,
                    retryable=int(bad.retryable),
                    retry_at=_retry_at(now) if bad.retryable else None,
                    updated_at=now,
                )
            )
        if indexed and payer != NOBODY:
            used = {Bucket.at(now, payer): Sums(documents=len(indexed))}
            usage.add_in(connection, used)


def _check_physical(connection: Connection, collection: str, physical: str | None) -> None:
    query = select(collections.c.physical).where(collections.c.name == collection)
    if physical is not None and connection.execute(query).scalar() != physical:
        raise Unavailable(
            f"Collection {collection!r} was indexed anew in the meantime.",
            "What was going on then is done again.",
        )


def keep(engine: Engine, unchanged: Mapping[str, str]) -> None:
    """Note that pending documents, by id with the etag of what was read, turned out to be as
    they were indexed."""
    ordered = sorted(unchanged.items())
    with engine.begin() as connection:
        lock(connection, documents, unchanged)
        for start in range(0, len(ordered), BATCH // 2):
            part = ordered[start : start + BATCH // 2]
            connection.execute(
                update(documents)
                .where(
                    tuple_(documents.c.id, documents.c.etag).in_(part),
                    documents.c.state == DocumentState.PENDING,
                )
                .values(state=DocumentState.INDEXED, error_code=None, error=None)
            )


def begin_again(engine: Engine, collection: str, document_ids: Sequence[str]) -> None:
    """Have documents indexed anew, whatever was indexed of them; until then they are hidden."""
    with engine.begin() as connection:
        move_epoch(connection, collection)
        lock(connection, documents, document_ids)
        for start in range(0, len(document_ids), BATCH):
            ids = sorted(document_ids)[start : start + BATCH]
            versions.end(connection, ids, at=time.time())
            connection.execute(
                update(documents)
                .where(documents.c.id.in_(ids), documents.c.state != DocumentState.DELETED)
                .values(state=DocumentState.PENDING, indexed_version=None, attempts=0)
            )


def _retry_at(now: float) -> ColumnElement[float]:
    """Double the time at every attempt: 2, 4, 8 … seconds, 10 minutes at most."""
    steps = [(documents.c.attempts == done, now + RETRY_S * 2**done) for done in range(8)]
    return case(*steps, else_=now + MAX_RETRY_S)


def _undeleted(document_id: str) -> Update:
    return update(documents).where(
        documents.c.id == document_id, documents.c.state != DocumentState.DELETED
    )


def _as_read(etag: str | None) -> ColumnElement[bool]:
    """Whether the document is still what was read: whoever changed it has it read again."""
    return true() if etag is None else documents.c.etag == etag


def mark_deleted(engine: Engine, collection: str, document_ids: Sequence[str]) -> None:
    """Hide documents, and what came inside them, from every search, at once. Their chunks are
    removed afterwards."""
    now = time.time()
    with engine.begin() as connection:
        move_epoch(connection, collection)  # meanwhile nobody notes what came inside them
        inside = [row.id for row in contents.inside(connection, document_ids)]
        document_ids = list(dict.fromkeys([*document_ids, *inside]))
        lock(connection, documents, document_ids)
        for start in range(0, len(document_ids), BATCH):
            ids = document_ids[start : start + BATCH]
            connection.execute(
                update(documents)
                .where(documents.c.id.in_(ids))
                .values(state=DocumentState.DELETED, updated_at=now)
            )
            versions.end(connection, ids, at=now)
        for start in range(0, len(document_ids), BATCH):
            gone = events.documents_deleted(collection, document_ids[start : start + BATCH])
            audit.note(connection, gone)


def mark_purged(engine: Engine, document_id: str) -> None:
    """Note that nothing of a deleted document is left in the stores."""
    deleted = and_(documents.c.id == document_id, documents.c.state == DocumentState.DELETED)
    with engine.begin() as connection:
        connection.execute(
            update(documents).where(deleted).values(indexed_version=None, chunk_count=0, purged=1)
        )
