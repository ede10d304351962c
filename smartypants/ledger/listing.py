"""The diff of a source's listing against the ledger: what is new, changed, or as it was."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from sqlalchemy import Engine, RowMapping, select

from smartypants.ledger import acls, relations
from smartypants.ledger.database import BATCH, reading, upsert
from smartypants.ledger.schema import documents, sources
from smartypants.types import DocumentRef, DocumentState


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
        connection.execute(upsert(engine, sources, [row]))


@dataclass(frozen=True, slots=True)
class Source:
    """A row of `sources`."""

    id: str
    collection: str
    kind: str
    uri: str
    created_at: float
    listed_at: float | None

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
    has attempts left.
    """
    pending = unchanged = 0
    for start in range(0, len(refs), BATCH):
        part = refs[start : start + BATCH]
        with engine.begin() as connection:
            ids = [ref.document_id for ref in part]
            known = {
                row["id"]: row
                for row in connection.execute(
                    select(documents).where(documents.c.id.in_(ids))
                ).mappings()
            }
            acl_ids = {
                principals: acls.acl_id(connection, principals)
                for principals in {ref.principals for ref in part}
            }
            rows = []
            for ref in part:
                row = known.get(ref.document_id)
                due = row is None or _due(row, ref, max_attempts)
                pending, unchanged = pending + due, unchanged + (not due)
                rows.append(_row(ref, row, due, collection, job_id, acl_ids[ref.principals]))
            connection.execute(upsert(engine, documents, rows, *_LISTED_COLUMNS))
            relations.state(connection, part)
    return Listed(pending, unchanged)


_LISTED_COLUMNS = (
    "name",
    "media_type",
    "metadata",
    "purged",
    "acl_id",
    "size",
    "etag",
    "state",
    "indexed_version",
    "attempts",
    "listed_by",
    "job_id",
    "updated_at",
)


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
