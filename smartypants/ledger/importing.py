"""Rows of an imported collection; everything here is idempotent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Table

from smartypants.ledger import acls
from smartypants.ledger.collections import move_epoch
from smartypants.ledger.database import BATCH, upsert
from smartypants.ledger.schema import documents, relations, versions
from smartypants.types import DocumentState


@dataclass(frozen=True, slots=True)
class ImportedDocument:
    """A searchable document as its export has it."""

    id: str
    source_id: str
    uri: str
    name: str
    title: str
    media_type: str | None
    metadata: Mapping[str, str]
    parsed: Mapping[str, str]
    principals: tuple[str, ...]
    size: int
    etag: str
    version: str
    chunk_count: int
    created_at: float
    updated_at: float
    indexed_at: float


def acl_ids(engine: Engine, sets: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """The ids of these sets of principals here, made where they are new."""
    with engine.begin() as connection:
        return {principals: acls.acl_id(connection, principals) for principals in sorted(sets)}


def commit(engine: Engine, collection: str, imported: Sequence[ImportedDocument]) -> None:
    """Make some hundred documents searchable, in one transaction."""
    with engine.begin() as connection:
        move_epoch(connection, collection)
        ids = {item.principals: 0 for item in imported}
        ids = {principals: acls.acl_id(connection, principals) for principals in sorted(ids)}
        rows = [_row(item, collection, ids[item.principals]) for item in imported]
        changing = [name for name in rows[0] if name not in ("id", "created_at")] if rows else []
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            connection.execute(upsert(engine, documents, part, *changing))


def _row(item: ImportedDocument, collection: str, acl_id: int) -> dict[str, Any]:
    return {
        "id": item.id,
        "collection": collection,
        "source_id": item.source_id,
        "uri": item.uri,
        "name": item.name,
        "title": item.title,
        "media_type": item.media_type,
        "metadata": dict(item.metadata),
        "parsed": dict(item.parsed),
        "acl_id": acl_id,
        "size": item.size,
        "etag": item.etag,
        "state": DocumentState.INDEXED,
        "indexed_version": item.version,
        "chunk_count": item.chunk_count,
        "purged": 0,
        "attempts": 0,
        "retryable": 0,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "indexed_at": item.indexed_at,
    }


def add_versions(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> None:
    _add(engine, versions, rows)


def add_relations(engine: Engine, rows: Sequence[Mapping[str, Any]]) -> None:
    _add(engine, relations, rows)


def _add(engine: Engine, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    with engine.begin() as connection:
        for start in range(0, len(rows), BATCH):
            part = [dict(row) for row in rows[start : start + BATCH]]
            connection.execute(upsert(engine, table, part))
