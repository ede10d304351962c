"""Documents: one row each; what waits, what vanished, what may be shown."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Engine, Select, and_, func, or_, select, update

from smartypants.attachments import MARK
from smartypants.attributes import Attributes, attributes
from smartypants.auth.reach import EVERYWHERE, Reach
from smartypants.errors import DocumentNotFound
from smartypants.ledger.database import BATCH, reading
from smartypants.ledger.reaching import within
from smartypants.ledger.schema import documents
from smartypants.types import DocumentRef, DocumentState

DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Document:
    """A row of `documents`."""

    id: str
    collection: str
    source_id: str
    uri: str
    name: str
    title: str
    media_type: str | None
    metadata: Mapping[str, str]
    parsed: Mapping[str, str]
    acl_id: int
    placed_acl_id: int | None
    size: int
    etag: str
    state: str
    indexed_version: str | None
    chunk_count: int
    purged: int
    error_code: str | None
    error: str | None
    attempts: int
    retryable: int
    retry_at: float | None
    listed_by: str | None
    job_id: str | None
    created_at: float
    updated_at: float
    indexed_at: float | None

    @property
    def ref(self) -> DocumentRef:
        """What its source said of it last."""
        return DocumentRef(
            source_id=self.source_id,
            uri=self.uri,
            name=self.name,
            etag=self.etag,
            size=self.size,
            media_type=self.media_type,
            metadata=self.metadata,
        )

    @property
    def attributes(self) -> Attributes:
        """What filters ask of it."""
        return attributes(
            media_type=self.media_type, name=self.name, metadata=self.metadata, parsed=self.parsed
        )

    @property
    def searchable(self) -> bool:
        return self.indexed_version is not None and self.state != DocumentState.DELETED


def get(engine: Engine, document_id: str) -> Document:
    """Raises `DocumentNotFound`, also for a deleted one."""
    found = known(engine, document_id)
    if found.state == DocumentState.DELETED:
        raise _not_found(document_id)
    return found


def known(engine: Engine, document_id: str) -> Document:
    """The document, also a deleted one. Raises `DocumentNotFound`."""
    found = by_id(engine, [document_id]).get(document_id)
    if found is None:
        raise _not_found(document_id)
    return found


def _not_found(document_id: str) -> DocumentNotFound:
    return DocumentNotFound(
        f"There is no document {document_id!r}.", "GET /v1/documents lists them."
    )


def by_id(engine: Engine, document_ids: Iterable[str]) -> dict[str, Document]:
    """Those of the documents that exist, in one query for each few hundred."""
    ids = list(dict.fromkeys(document_ids))
    found: dict[str, Document] = {}
    for start in range(0, len(ids), BATCH):
        query = select(documents).where(documents.c.id.in_(ids[start : start + BATCH]))
        found |= {item.id: item for item in _fetch(engine, query)}
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether a chunk may be shown."""

    acl_id: int
    indexed_version: str
    indexed_at: float


def standing(engine: Engine, document_ids: Iterable[str]) -> dict[str, Standing]:
    """Of those of the documents that searches may show; a fraction of what `by_id` costs."""
    ids = list(dict.fromkeys(document_ids))
    found: dict[str, Standing] = {}
    shown = (documents.c.acl_id, documents.c.indexed_version, documents.c.indexed_at)
    with reading(engine) as connection:
        for start in range(0, len(ids), BATCH):
            query = select(documents.c.id, *shown).where(
                documents.c.id.in_(ids[start : start + BATCH]),
                documents.c.indexed_version.is_not(None),
                documents.c.state != DocumentState.DELETED,
            )
            found |= {id_: Standing(*rest) for id_, *rest in connection.execute(query)}
    return found


@dataclass(frozen=True, slots=True)
class Description:
    """What is shown of a document beside a passage of it."""

    title: str
    uri: str
    source_id: str
    metadata: Mapping[str, str]
    parsed: Mapping[str, str]


def descriptions(engine: Engine, document_ids: Iterable[str]) -> dict[str, Description]:
    """Of those of the documents that exist; less to read than `by_id`."""
    ids = list(dict.fromkeys(document_ids))
    found: dict[str, Description] = {}
    wanted = [documents.c[field.name] for field in fields(Description)]
    with reading(engine) as connection:
        for start in range(0, len(ids), BATCH):
            query = select(documents.c.id, *wanted).where(
                documents.c.id.in_(ids[start : start + BATCH])
            )
            found |= {id_: Description(*rest) for id_, *rest in connection.execute(query)}
    return found


def page(
    engine: Engine,
    *,
    collection: str | None = None,
    state: str | None = None,
    job_id: str | None = None,
    max_attempts: int = 1,
    acl_ids: Sequence[int],
    reach: Reach = EVERYWHERE,
    after: str = "",
    limit: int,
) -> list[Document]:
    """Readable documents in reach ordered by id, from just behind the id `after`.

    Besides the states there is `dead`: failed, and no attempt is left of `max_attempts`.
    """
    mine = and_(documents.c.acl_id.in_(acl_ids), within(documents.c.collection, reach))
    query = select(documents).where(mine, documents.c.id > after)
    if collection is not None:
        query = query.where(documents.c.collection == collection)
    if job_id is not None:
        query = query.where(documents.c.job_id == job_id)
    if state == DEAD:
        spent = or_(documents.c.retryable == 0, documents.c.attempts >= max_attempts)
        query = query.where(documents.c.state == DocumentState.FAILED, spent)
    elif state is not None:
        query = query.where(documents.c.state == state)
    else:
        query = query.where(documents.c.state != DocumentState.DELETED)
    return _fetch(engine, query.order_by(documents.c.id).limit(limit))


def of_collection(
    engine: Engine, collection: str, *, after: str = "", limit: int = BATCH
) -> list[Document]:
    """All rows of a collection by id, deleted ones too, from just behind the id `after`."""
    mine = and_(documents.c.collection == collection, documents.c.id > after)
    return _fetch(engine, select(documents).where(mine).order_by(documents.c.id).limit(limit))


def failed_in(engine: Engine, job_id: str, *, limit: int) -> list[Document]:
    """The first documents, by name, that failed in a job."""
    bad = and_(documents.c.job_id == job_id, documents.c.state == DocumentState.FAILED)
    return _fetch(engine, select(documents).where(bad).order_by(documents.c.name).limit(limit))


def counts(engine: Engine, *, acl_ids: Sequence[int] | None = None) -> dict[str, dict[str, int]]:
    """For each collection: documents by state, and `chunks`; of the readable ones where ACLs
    are given."""
    query = select(
        documents.c.collection,
        documents.c.state,
        func.count(),
        func.sum(documents.c.chunk_count),
    ).group_by(documents.c.collection, documents.c.state)
    if acl_ids is not None:
        query = query.where(documents.c.acl_id.in_(acl_ids))
    found: dict[str, dict[str, int]] = {}
    with reading(engine) as connection:
        for collection, state, number, chunks in connection.execute(query):
            entry = found.setdefault(collection, {})
            entry[state] = number
            entry["chunks"] = entry.get("chunks", 0) + int(chunks or 0)
    return found


def pending(
    engine: Engine, source_id: str, *, after: str = "", limit: int = BATCH
) -> list[Document]:
    """Documents of a source that wait to be indexed, by id, from just behind the id `after`."""
    waiting = and_(
        documents.c.source_id == source_id,
        documents.c.state == DocumentState.PENDING,
        documents.c.id > after,
    )
    return _fetch(engine, select(documents).where(waiting).order_by(documents.c.id).limit(limit))


def count_pending(engine: Engine, source_id: str) -> int:
    waiting = and_(documents.c.source_id == source_id, documents.c.state == DocumentState.PENDING)
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).where(waiting)).scalar_one())


def retry_due(engine: Engine, source_id: str, *, max_attempts: int) -> float | None:
    """Make the failed documents whose time has come pending again.

    Returns when the next is due (Unix time): now, where any became pending; None if none will be.
    """
    now = time.time()
    retry_at = func.coalesce(documents.c.retry_at, 0.0)
    again = and_(
        documents.c.source_id == source_id,
        documents.c.state == DocumentState.FAILED,
        documents.c.retryable == 1,
        documents.c.attempts < max_attempts,
    )
    with engine.begin() as connection:
        change = update(documents).where(again, retry_at <= now)
        if connection.execute(change.values(state=DocumentState.PENDING)).rowcount:
            return now
        due = connection.execute(select(func.min(documents.c.retry_at)).where(again)).scalar()
    return None if due is None else float(due)


def vanished(engine: Engine, source_id: str, job_id: str) -> tuple[list[Document], int]:
    """The documents that a complete listing by this job no longer had, and how many it had
    to lose: all that were not deleted before, without what came inside others."""
    alive = and_(documents.c.source_id == source_id, documents.c.state != DocumentState.DELETED)
    gone = _fetch(
        engine,
        select(documents).where(
            alive, or_(documents.c.listed_by.is_(None), documents.c.listed_by != job_id)
        ),
    )
    with reading(engine) as connection:
        by_themselves = ~documents.c.uri.contains(MARK, autoescape=True)
        total = connection.execute(select(func.count()).where(alive, by_themselves)).scalar_one()
    return gone, int(total)


def unpurged(engine: Engine, collection: str) -> list[Document]:
    """Deleted documents that may still have something in the stores."""
    left = and_(
        documents.c.collection == collection,
        documents.c.state == DocumentState.DELETED,
        documents.c.purged == 0,
    )
    return _fetch(engine, select(documents).where(left))


def _fetch(engine: Engine, query: Select[Any]) -> list[Document]:
    with reading(engine) as connection:
        return [Document(**row._mapping) for row in connection.execute(query)]
