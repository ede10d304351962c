"""The diff of a source's listing against the ledger: what is new, changed, or as it was."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from sqlalchemy import Engine, RowMapping, exists, select, update

from smartypants.attachments import container
from smartypants.auditing import events
from smartypants.ledger import acls, audit, contents, relations
from smartypants.ledger.collections import hold, move_epoch
from smartypants.ledger.columns import fit
from smartypants.ledger.database import BATCH, lock, reading, upsert
from smartypants.ledger.schema import documents, sources
from smartypants.types import DocumentRef, DocumentState

MAX_ETAG = 300
MAX_MEDIA_TYPE = 200

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing changed."""

    pending: int = 0
    unchanged: int = 0


def register_source(
    engine: Engine, *, source_id: str, collection: str, kind: str, uri: str
) -> None:
    """Idempotent."""
    row = {
        "id": source_id,
        "collection": collection,
        "kind": kind,
        "uri": uri,
        "created_at": time.time(),
    }
    with engine.begin() as connection:
        hold(connection, collection)
        connection.execute(upsert(engine, sources, [row]))


def note_listed(engine: Engine, source_id: str) -> None:
    """The source's listing is complete as of now."""
    with engine.begin() as connection:
        connection.execute(
            update(sources).where(sources.c.id == source_id).values(listed_at=time.time())
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A row of `sources`."""

    id: str
    collection: str
    kind: str
    uri: str
    created_at: float
    listed_at: float | None
    """When its listing was last complete."""

    @property
    def given_uri(self) -> str:
        """The URI as the connector takes it."""
        if self.kind == "filesystem":
            return os.fsdecode(unquote_to_bytes(urlsplit(self.uri).path))
        return self.uri


def sources_by_id(engine: Engine, source_ids: Sequence[str]) -> list[Source]:
    """Those of the sources that exist."""
    with reading(engine) as connection:
        rows = connection.execute(select(sources).where(sources.c.id.in_(source_ids)))
        return [Source(**row._mapping) for row in rows]


def sources_called(
    engine: Engine, collection: str, name: str, *, acl_ids: Sequence[int]
) -> list[Source]:
    """The collection's sources with this id, kind or URI, or with it as their URI's last part;
    only those that have a readable document."""
    readable = exists().where(
        documents.c.source_id == sources.c.id, documents.c.acl_id.in_(acl_ids)
    )
    with reading(engine) as connection:
        rows = connection.execute(
            select(sources).where(sources.c.collection == collection, readable)
        )
        every = [Source(**row._mapping) for row in rows]
    wanted = name.rstrip("/")
    return [
        item
        for item in every
        if wanted in (item.id, item.kind, item.uri.rstrip("/"), item.given_uri.rstrip("/"))
        or unquote(item.uri.rstrip("/").rsplit("/", 1)[-1]) == wanted
    ]


def list_documents(
    engine: Engine,
    refs: Sequence[DocumentRef],
    *,
    collection: str,
    job_id: str,
    max_attempts: int,
) -> Listed:
    """Note a piece of a source's listing; new and changed documents become `pending`.

    A failed document is tried again if it changed, or if its error may pass by itself and it
    has attempts left. Of a document that is listed twice the last one counts. What came inside
    a document is listed with it, and has its ACL.
    """
    pending = unchanged = 0
    by_id = {ref.document_id: ref for ref in map(_fitted, refs)}
    whole = [by_id[key] for key in sorted(by_id)]
    for start in range(0, len(whole), BATCH):
        part = whole[start : start + BATCH]
        listed = _list_part(engine, part, collection, job_id, max_attempts, moving=False)
        if listed is None:
            listed = _list_part(engine, part, collection, job_id, max_attempts, moving=True)
        assert listed is not None
        pending, unchanged = pending + listed.pending, unchanged + listed.unchanged
    return Listed(pending, unchanged)


def list_contents(
    engine: Engine,
    refs: Sequence[DocumentRef],
    *,
    collection: str,
    job_id: str,
    max_attempts: int,
) -> None:
    """Note what was found inside documents, which have an ACL already; it becomes `pending`
    where it is new or changed. Of a document that was deleted meanwhile nothing is noted."""
    for start in range(0, len(refs), BATCH):
        part = refs[start : start + BATCH]
        _list_part(engine, part, collection, job_id, max_attempts, moving=True)


def _list_part(
    engine: Engine,
    part: Sequence[DocumentRef],
    collection: str,
    job_id: str,
    max_attempts: int,
    *,
    moving: bool,
) -> Listed | None:
    """One transaction. None, and nothing is changed, if searches would see the change and the
    epoch is not `moving`: it has to move first (see `move_epoch`), and rarely has to."""
    pending = unchanged = 0
    with engine.begin() as connection:
        hold(connection, collection)
        if moving:
            move_epoch(connection, collection)
        # Documents are new to one listing of their source at a time, and whoever changes a
        # known one waits: what is read here is still true when it is written.
        lock(connection, sources, {ref.source_id for ref in part})
        by_themselves = {ref.principals for ref in part if container(ref.uri) is None}
        distinct = sorted(by_themselves, key=acls.acl_key)
        acl_ids = {item: acls.acl_id(connection, item) for item in distinct}
        within = contents.inside(connection, [ref.document_id for ref in part])
        known = contents.locked(connection, part, within)
        found = contents.whole(part, within, known, acl_ids)
        rows, written = [], []
        for ref, acl_id in found:
            row = known.get(ref.document_id)
            due = row is None or _due(row, ref, max_attempts)
            pending, unchanged = pending + due, unchanged + (not due)
            new = _row(ref, row, due, collection, job_id, acl_id)
            if not moving and row is not None and _seen(row, new):
                connection.rollback()
                return None
            rows.append(new)
            if due or row is None or row["acl_id"] != new["acl_id"]:
                written.append(ref.document_id)
        for start in range(0, len(rows), BATCH):
            connection.execute(
                upsert(engine, documents, rows[start : start + BATCH], *_LISTED_COLUMNS)
            )
            relations.state(connection, [ref for ref, _ in found[start : start + BATCH]])
        for start in range(0, len(written), BATCH):
            some = written[start : start + BATCH]
            audit.note(connection, events.documents_written(collection, some, job=job_id))
    return Listed(pending, unchanged)


_SEEN_COLUMNS = ("name", "media_type", "metadata", "acl_id")


def _seen(row: RowMapping, new: Mapping[str, Any]) -> bool:
    """Whether searches, which show the document, will show or find it otherwise."""
    shown = row["indexed_version"] is not None and row["state"] != DocumentState.DELETED
    return shown and any(row[name] != new[name] for name in _SEEN_COLUMNS)


_LISTED_COLUMNS = (
    "name",
    "media_type",
    "metadata",
    "purged",
    "acl_id",
    "placed_acl_id",
    "size",
    "etag",
    "state",
    "indexed_version",
    "attempts",
    "listed_by",
    "job_id",
    "updated_at",
)


def _fitted(ref: DocumentRef) -> DocumentRef:
    """The reference as the ledger can keep it; a connector gets back what is kept."""
    long_type = ref.media_type is not None and len(ref.media_type) > MAX_MEDIA_TYPE
    return replace(
        ref,
        uri=_UNSTORABLE.sub(lambda found: quote(found[0], errors="surrogatepass"), ref.uri),
        etag=fit(ref.etag, MAX_ETAG),
        media_type=None if long_type else ref.media_type,
    )


def _placed(row: RowMapping) -> int | None:
    """The ACL that a document's chunks carry, once its own is another one."""
    placed: int | None = row["placed_acl_id"]
    return row["acl_id"] if placed is None else placed


def _due(row: RowMapping, ref: DocumentRef, max_attempts: int) -> bool:
    if row["etag"] != ref.etag or row["state"] in (DocumentState.PENDING, DocumentState.DELETED):
        return True
    if row["state"] == DocumentState.FAILED:
        return bool(row["retryable"]) and row["attempts"] < max_attempts
    return False


def _row(
    ref: DocumentRef,
    row: RowMapping | None,
    due: bool,
    collection: str,
    job_id: str,
    acl_id: int,
) -> dict[str, Any]:
    now = time.time()
    changed = row is None or row["etag"] != ref.etag
    deleted = row is not None and row["state"] == DocumentState.DELETED
    return {
        "id": ref.document_id,
        "collection": collection,
        "source_id": ref.source_id,
        "uri": ref.uri,
        "name": ref.name,
        "title": ref.name,
        "media_type": ref.media_type,
        "metadata": dict(ref.metadata),
        "parsed": {},
        "acl_id": acl_id,
        "placed_acl_id": None if row is None else _placed(row),
        "size": ref.size,
        "etag": ref.etag,
        "state": DocumentState.PENDING if due or row is None else row["state"],
        # One that was deleted and is back must not show its former version.
        "indexed_version": None if row is None or deleted else row["indexed_version"],
        "chunk_count": 0,
        "purged": 0,
        "attempts": 0 if row is None or changed else row["attempts"],
        "retryable": 0,
        "retry_at": None,
        "listed_by": job_id,
        "job_id": job_id if due or row is None else row["job_id"],
        "created_at": now,
        "updated_at": now if due or row is None else row["updated_at"],
    }
